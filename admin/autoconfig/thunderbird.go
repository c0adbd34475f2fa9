package autoconfig

import (
	"encoding/xml"
	"net/http"
	"strconv"
)

// The format of Thunderbird, which K-9, Evolution, KMail and others read too:
// https://www.bucksch.org/1/projects/thunderbird/autoconfiguration/config-format.html

type clientConfig struct {
	XMLName  xml.Name      `xml:"clientConfig"`
	Version  string        `xml:"version,attr"`
	Provider emailProvider `xml:"emailProvider"`
}

type emailProvider struct {
	ID        string           `xml:"id,attr"`
	Domain    string           `xml:"domain"`
	Name      string           `xml:"displayName"`
	ShortName string           `xml:"displayShortName"`
	Incoming  []providerServer `xml:"incomingServer"`
	Outgoing  []providerServer `xml:"outgoingServer"`
}

type providerServer struct {
	Type           string `xml:"type,attr"`
	Host           string `xml:"hostname"`
	Port           string `xml:"port"`
	Socket         string `xml:"socketType"`
	User           string `xml:"username"`
	Authentication string `xml:"authentication"`
}

func serveThunderbird(w http.ResponseWriter, q *question) {
	user := q.address
	if user == "" {
		user = "%EMAILADDRESS%" // the program puts in what its owner typed
	}
	p := emailProvider{
		ID: q.domain, Domain: q.domain, Name: q.settings.name(q.domain), ShortName: q.settings.name(q.domain),
	}
	for _, s := range q.settings.Services {
		server := providerServer{
			Type: string(s.Protocol), Host: s.Host, Port: strconv.Itoa(int(s.Port)), Socket: "STARTTLS", User: user,
			Authentication: "password-cleartext", // over TLS; "encrypted" means CRAM-MD5 there
		}
		if s.Implicit {
			server.Socket = "SSL"
		}
		if s.Protocol == Submission {
			p.Outgoing = append(p.Outgoing, server)
		} else {
			p.Incoming = append(p.Incoming, server)
		}
	}
	sendXML(w, "text/xml; charset=utf-8", clientConfig{Version: "1.1", Provider: p})
}

// sendXML writes v as a document. Whatever its strings are, it is well formed.
func sendXML(w http.ResponseWriter, contentType string, v any) {
	body, err := xml.MarshalIndent(v, "", "  ")
	if err != nil { // no type here can fail
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	send(w, contentType, append([]byte(xml.Header), append(body, '\n')...))
}
