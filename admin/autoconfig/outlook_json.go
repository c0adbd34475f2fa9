package autoconfig

import (
	"encoding/json"
	"net/http"
	"strings"
)

// outlookJSONPath is followed by the address in the second form of the question; in lower case.
const outlookJSONPath = "/autodiscover/autodiscover.json/v1.0/"

// outlookFound and outlookError are the answers of autodiscover's second version, which only tells where to
// ask on.
type outlookFound struct {
	Protocol string
	URL      string `json:"Url"`
}

type outlookError struct {
	ErrorCode    string
	ErrorMessage string
}

func serveOutlookJSON(w http.ResponseWriter, r *http.Request, s *Settings) {
	if !allow(w, r, http.MethodGet) {
		return
	}
	address := parameter(r, "Email")
	if len(r.URL.Path) > len(outlookJSONPath) {
		address = r.URL.Path[len(outlookJSONPath):]
	}
	_, known := ask(s, address)
	switch protocol := parameter(r, "Protocol"); {
	case protocol == "":
		sendJSON(w, http.StatusBadRequest, outlookError{"MandatoryParameterMissing", "The query parameter 'Protocol' is missing."})
	case !strings.EqualFold(protocol, "AutodiscoverV1"):
		sendJSON(w, http.StatusBadRequest, outlookError{"InvalidProtocol", "The protocol is not served here. Supported value: 'AutodiscoverV1'."})
	case !known:
		sendJSON(w, http.StatusNotFound, outlookError{"UserNotFound", "The domain is not served here."})
	default:
		sendJSON(w, http.StatusOK, outlookFound{"AutodiscoverV1", "https://" + s.Host + "/autodiscover/autodiscover.xml"})
	}
}

func sendJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // no type here can fail
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
