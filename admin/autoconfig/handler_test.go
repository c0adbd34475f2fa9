package autoconfig

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the answers into testdata")

// offered is what most servers will offer.
func offered() Settings {
	s := Settings{
		Domains: []string{"example.com", "xn--mller-kva.example"}, Host: "mail.example.com",
		Services: []Service{
			{Submission, "mail.example.com", 587, false}, {POP3, "mail.example.com", 995, true}, {IMAP, "mail.example.com", 143, false},
			{IMAP, "mail.example.com", 993, true}, {Submission, "mail.example.com", 465, true},
		},
		STS: &STSPolicy{Mode: "testing", MX: []string{"mail.example.com"}, MaxAge: 86400},
	}
	Sort(s.Services)
	return s
}

const outlookAsks = `<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
  <Request>
    <EMailAddress>%s</EMailAddress>
    <AcceptableResponseSchema>%s</AcceptableResponseSchema>
  </Request>
</Autodiscover>`

// TestAnswers asks what is in the name of the case, and holds the answer against testdata.
func TestAnswers(t *testing.T) {
	outlook := fmt.Sprintf(outlookAsks, "ann@example.com", outlookSettings)
	const json2 = "/autodiscover/autodiscover.json"
	for _, c := range []struct {
		file, method, url, body string
		status                  int
	}{
		{"thunderbird.xml", "GET", "http://autoconfig.example.com/mail/config-v1.1.xml?emailaddress=ann%40example.com", "", 200},
		{"thunderbird-any.xml", "GET", "http://autoconfig.example.com/mail/config-v1.1.xml", "", 200},
		{"thunderbird-any.xml", "GET", "https://Example.COM.:8443/.well-known/autoconfig/mail/config-v1.1.xml", "", 200},
		{"thunderbird-utf8.xml", "GET", "http://mail.example.com/mail/config-v1.1.xml?emailaddress=" + "%C3%A4nne%26co%40M%C3%BCller.example", "", 200},
		{"", "GET", "http://autoconfig.elsewhere.example/mail/config-v1.1.xml", "", 404},
		{"", "GET", "http://autoconfig.example.com/mail/config-v1.1.xml?emailaddress=ann%40elsewhere.example", "", 404},
		{"", "GET", "http://autoconfig.example.com/mail/config-v1.1.xml?emailaddress=%3Cscript%3E", "", 404},
		{"", "POST", "http://autoconfig.example.com/mail/config-v1.1.xml", "", 405},
		{"outlook.xml", "POST", "https://autodiscover.example.com/autodiscover/autodiscover.xml", outlook, 200},
		{"outlook.xml", "POST", "https://example.com/Autodiscover/Autodiscover.XML", outlook, 200},
		{"", "GET", "https://example.com/autodiscover/autodiscover.xml", "", 405},
		{"", "POST", "https://example.com/autodiscover/autodiscover.xml", "", 400},
		{"", "POST", "https://example.com/autodiscover/autodiscover.xml", "<html></html>", 400},
		{"", "POST", "https://example.com/autodiscover/autodiscover.xml", fmt.Sprintf(outlookAsks, "ann@elsewhere.example", ""), 404},
		{"", "POST", "https://example.com/autodiscover/autodiscover.xml", fmt.Sprintf(outlookAsks, "", ""), 404},
		{"", "POST", "https://example.com/autodiscover/autodiscover.xml",
			fmt.Sprintf(outlookAsks, "ann@example.com", "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"), 404},
		{"", "POST", "https://example.com/autodiscover/autodiscover.xml", outlook + strings.Repeat(" ", maxBody), 413},
		{"outlook.json", "GET", "https://autodiscover.example.com" + json2 + "?Email=ann%40example.com&Protocol=AutodiscoverV1", "", 200},
		{"outlook.json", "GET", "https://autodiscover.example.com/AutoDiscover/AutoDiscover.json/v1.0/ann@example.com?protocol=autodiscoverv1", "", 200},
		{"outlook-unknown.json", "GET", "https://example.com" + json2 + "?Email=ann%40elsewhere.example&Protocol=AutodiscoverV1", "", 404},
		{"outlook-protocol.json", "GET", "https://example.com" + json2 + "?Email=ann%40example.com&Protocol=ActiveSync", "", 400},
		{"outlook-none.json", "GET", "https://example.com" + json2 + "?Email=ann%40example.com", "", 400},
		{"apple.mobileconfig", "GET", "https://mail.example.com/apple.mobileconfig?emailaddress=ann%40example.com", "", 200},
		{"apple-any.mobileconfig", "GET", "https://example.com/apple.mobileconfig", "", 200},
		{"", "GET", "https://mail.elsewhere.example/apple.mobileconfig", "", 404},
		{"mta-sts.txt", "GET", "https://mta-sts.example.com/.well-known/mta-sts.txt", "", 200},
		{"", "GET", "https://example.com/.well-known/mta-sts.txt", "", 404},
		{"", "GET", "https://mta-sts.elsewhere.example/.well-known/mta-sts.txt", "", 404},
		{"", "GET", "https://example.com/", "", 404},
		{"", "GET", "https://example.com//elsewhere.example/..", "", 404},
	} {
		t.Run(c.method+" "+c.url, func(t *testing.T) {
			status, header, body := asked(NewHandler(offered()), c.method, c.url, c.body)
			if status != c.status || header.Get("Location") != "" || header.Get("X-Content-Type-Options") != "nosniff" {
				t.Fatalf("%d %v\n%s", status, header, body)
			}
			if c.file == "" {
				return
			}
			file := filepath.Join("testdata", c.file)
			if *update {
				if err := os.WriteFile(file, body, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if diff := cmp.Diff(string(want), string(body)); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
			if err := wellFormed(header.Get("Content-Type"), body); err != nil {
				t.Errorf("%v:\n%s", err, body)
			}
		})
	}
}

func asked(h http.Handler, method, url, body string) (status int, header http.Header, answer []byte) {
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Header(), w.Body.Bytes()
}

// wellFormed reads an answer as a program would.
func wellFormed(contentType string, body []byte) error {
	switch {
	case strings.HasPrefix(contentType, "text/xml"), strings.HasPrefix(contentType, "application/x-apple"):
		d := xml.NewDecoder(bytes.NewReader(body))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		}
	case strings.HasPrefix(contentType, "application/json"):
		var any map[string]string
		return json.Unmarshal(body, &any)
	}
	return nil
}

// A HEAD is answered as the GET would be, for programs that look before they ask.
func TestHead(t *testing.T) {
	if status, _, _ := asked(NewHandler(offered()), "HEAD", "http://autoconfig.example.com/mail/config-v1.1.xml", ""); status != 200 {
		t.Error(status)
	}
}

// What is not offered is not promised.
func TestFewServices(t *testing.T) {
	s := offered()
	s.Services = []Service{{POP3, "mail.example.com", 110, false}, {Submission, "mail.example.com", 587, false}}
	s.Name, s.STS = `Ann's <"Mail"> & co`, nil
	h := NewHandler(s)
	for _, url := range []string{"https://example.com/mail/config-v1.1.xml", "https://example.com/apple.mobileconfig"} {
		status, header, body := asked(h, "GET", url, "")
		if err := wellFormed(header.Get("Content-Type"), body); err != nil || status != 200 || bytes.Contains(body, []byte("993")) {
			t.Errorf("%s: %d %v\n%s", url, status, err, body)
		}
	}
	if status, _, _ := asked(h, "GET", "https://mta-sts.example.com/.well-known/mta-sts.txt", ""); status != 404 {
		t.Errorf("a policy that there is not: %d", status)
	}
	s.Services = s.Services[1:]
	h.Set(s)
	if status, _, _ := asked(h, "GET", "https://example.com/apple.mobileconfig", ""); status != 404 {
		t.Errorf("half an account: %d", status)
	}
}

// A program that others wrote reads the profiles, where there is one.
func TestProfilesByPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Log("no python3 to read them with; they are well-formed XML by TestAnswers")
		return
	}
	for _, file := range []string{"apple.mobileconfig", "apple-any.mobileconfig"} {
		out, err := exec.Command(python, "-c", `import plistlib, sys
p = plistlib.load(open(sys.argv[1], "rb"))
a = p["PayloadContent"][0]
print(p["PayloadType"], a["PayloadType"], a["EmailAccountType"], a["IncomingMailServerPortNumber"], a["IncomingMailServerUseSSL"], a["OutgoingMailServerHostName"])`,
			filepath.Join("testdata", file)).CombinedOutput()
		if want := "Configuration com.apple.mail.managed EmailTypeIMAP 993 True mail.example.com\n"; err != nil || string(out) != want {
			t.Errorf("%s: %v %s", file, err, out)
		}
	}
}

// Whatever is asked, the answer is well formed, no redirect, and holds no markup of the question's.
func FuzzQuestion(f *testing.F) {
	f.Add("/mail/config-v1.1.xml", "ann@example.com", "autoconfig.example.com", "")
	f.Add("/mail/config-v1.1.xml", `"<b>&'"@example.com`, "example.com", "")
	f.Add("/apple.mobileconfig", "\"a\\\"]]>\"@example.com", "mail.example.com", "")
	f.Add("/autodiscover/autodiscover.json/v1.0/x@example.com", "", "example.com", "")
	f.Add("/Autodiscover/Autodiscover.xml", "", "example.com", fmt.Sprintf(outlookAsks, "&lt;ann&gt;@example.com", ""))
	f.Add("/autodiscover/autodiscover.xml", "", "", "<Autodiscover><Request><EMailAddress>ä@example.com</EMailAddress></Request></Autodiscover>")
	f.Add("/.well-known/mta-sts.txt", "", "mta-sts.example.com", "")
	h := NewHandler(offered())
	f.Fuzz(func(t *testing.T, path, address, host, body string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path, r.Host = path, host
		q := r.URL.Query()
		q.Set("emailaddress", address)
		q.Set("Email", address)
		q.Set("Protocol", "AutodiscoverV1")
		r.URL.RawQuery = q.Encode()
		if body != "" {
			r.Method, r.Body = "POST", io.NopCloser(strings.NewReader(body))
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code/100 == 3 || w.Code/100 == 5 || w.Header().Get("Location") != "" {
			t.Fatalf("%d %v", w.Code, w.Header())
		}
		if err := wellFormed(w.Header().Get("Content-Type"), w.Body.Bytes()); err != nil {
			t.Fatalf("%v\n%s", err, w.Body)
		}
		for key, values := range w.Header() {
			if strings.ContainsAny(strings.Join(values, ""), "\r\n") {
				t.Fatalf("%s: %q", key, values)
			}
		}
	})
}
