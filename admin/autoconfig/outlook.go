package autoconfig

import (
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Autodiscover as plain old XML (MS-OXDSCLI), of which Outlook takes the settings of IMAP, POP and SMTP.
const (
	outlookResponse = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
	outlookSettings = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
)

type outlookRequest struct {
	XMLName xml.Name `xml:"Autodiscover"`
	Address string   `xml:"Request>EMailAddress"`
	Schema  string   `xml:"Request>AcceptableResponseSchema"`
}

type outlookAnswer struct {
	XMLName  xml.Name        `xml:"Autodiscover"`
	Space    string          `xml:"xmlns,attr"`
	Response outlookResponds `xml:"Response"`
}

type outlookResponds struct {
	Space   string         `xml:"xmlns,attr"`
	Name    string         `xml:"User>DisplayName"`
	Account outlookAccount `xml:"Account"`
}

type outlookAccount struct {
	Type      string            `xml:"AccountType"`
	Action    string            `xml:"Action"`
	Protocols []outlookProtocol `xml:"Protocol"`
}

type outlookProtocol struct {
	Type           string `xml:"Type"`
	Server         string `xml:"Server"`
	Port           string `xml:"Port"`
	LoginName      string `xml:"LoginName"`
	DomainRequired string `xml:"DomainRequired"`
	SPA            string `xml:"SPA"`
	SSL            string `xml:"SSL"`
	Encryption     string `xml:"Encryption"` // SSL or TLS, which is STARTTLS; newer than SSL, and stronger where both stand
	AuthRequired   string `xml:"AuthRequired"`
}

func serveOutlook(w http.ResponseWriter, r *http.Request, s *Settings) {
	if !allow(w, r, http.MethodPost) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "request too large", http.StatusRequestEntityTooLarge)
		return
	}
	var asked outlookRequest
	if err := xml.Unmarshal(body, &asked); err != nil {
		http.Error(w, "not a request for autodiscover", http.StatusBadRequest)
		return
	}
	q, ok := ask(s, strings.TrimSpace(asked.Address))
	if !ok || asked.Schema != "" && strings.TrimSpace(asked.Schema) != outlookSettings { // ActiveSync, for one
		http.NotFound(w, r)
		return
	}
	answer := outlookAnswer{Space: outlookResponse, Response: outlookResponds{
		Space: outlookSettings, Name: q.address, Account: outlookAccount{Type: "email", Action: "settings"},
	}}
	for _, service := range s.Services {
		answer.Response.Account.Protocols = append(answer.Response.Account.Protocols, outlookServer(service, q.address))
	}
	sendXML(w, "text/xml; charset=utf-8", answer)
}

func outlookServer(s Service, user string) outlookProtocol {
	p := outlookProtocol{
		Type: strings.ToUpper(string(s.Protocol)), Server: s.Host, Port: strconv.Itoa(int(s.Port)), LoginName: user,
		DomainRequired: "off", SPA: "off", SSL: "on", Encryption: "TLS", AuthRequired: "on",
	}
	if s.Implicit {
		p.Encryption = "SSL"
	}
	return p
}
