package admin

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/mailbox/imap"
	"github.com/posthaste-mta/posthaste/mailbox/pop3"
	"github.com/posthaste-mta/posthaste/policy/auth"
	"github.com/posthaste-mta/posthaste/policy/greylist"
	"github.com/posthaste-mta/posthaste/policy/limit"
	"github.com/posthaste-mta/posthaste/policy/milter"
	"github.com/posthaste-mta/posthaste/policy/suppress"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/relay"
	"github.com/posthaste-mta/posthaste/resolver"
	"github.com/posthaste-mta/posthaste/smtp"
)

// Sources are where the numbers come from; they are asked at every scrape. A nil one is left out.
type Sources struct {
	Version  string
	Events   *relay.EventLog
	Relay    func() relay.Metrics
	Queue    func() queue.Metrics
	Resolver func() resolver.Metrics
	Auth     func() auth.Metrics
	// Certificates are how long each is valid still, by file or name.
	Certificates func() map[string]time.Duration
	// Limits, Harvest and Suppression are of policy.
	Limits      func() limit.Metrics
	Harvest     func() limit.HarvestMetrics
	Suppression func() suppress.Metrics
	Greylist    func() greylist.Metrics
	// Milters are the filters by name.
	Milters func() map[string]milter.Metrics
	// Servers are the SMTP listeners by name. Their number bounds the label.
	Servers map[string]func() smtp.ServerMetrics
	// Mailbox is the store of local mail, MailboxErr why it acknowledges nothing any more, and IMAP and POP3 the
	// listeners by name.
	Mailbox    func() mailbox.Metrics
	MailboxErr func() error
	IMAP       map[string]func() imap.Metrics
	POP3       map[string]func() pop3.Metrics
}

// NewRegistry returns a registry of all metrics, for Web.
func NewRegistry(s Sources) (*prometheus.Registry, error) {
	reg := prometheus.NewRegistry()
	return reg, Register(reg, s)
}

// Register adds all metrics, with those of the process and of Go's runtime, to reg. Every label is
// bounded: none is an address, a domain or anything else that a peer chooses.
func Register(reg prometheus.Registerer, s Sources) error {
	for _, c := range []prometheus.Collector{
		newCollector(s),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := reg.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// snapshot is all numbers of one scrape. A source that is nil leaves its part nil too.
type snapshot struct {
	version  string
	stats    *relay.EventStats
	log      *relay.EventLogMetrics
	relay    *relay.Metrics
	queue    *queue.Metrics
	resolver *resolver.Metrics
	auth     *auth.Metrics

	certificates map[string]time.Duration

	limits      *limit.Metrics
	harvest     *limit.HarvestMetrics
	suppression *suppress.Metrics
	greylist    *greylist.Metrics
	milters     map[string]milter.Metrics

	servers map[string]smtp.ServerMetrics

	mailbox       *mailbox.Metrics
	mailboxFailed bool
	imap          map[string]imap.Metrics
	pop3          map[string]pop3.Metrics
}

func (s *Sources) snapshot() *snapshot {
	now := &snapshot{version: s.Version, servers: askEach(s.Servers), imap: askEach(s.IMAP), pop3: askEach(s.POP3)}
	if s.Events != nil {
		stats, log := s.Events.Stats(), s.Events.Metrics()
		now.stats, now.log = &stats, &log
	}
	now.relay = ask(s.Relay)
	now.queue = ask(s.Queue)
	now.resolver = ask(s.Resolver)
	now.auth = ask(s.Auth)
	if s.Certificates != nil {
		now.certificates = s.Certificates()
	}
	now.greylist = ask(s.Greylist)
	if s.Milters != nil {
		now.milters = s.Milters()
	}
	now.limits, now.harvest, now.suppression = ask(s.Limits), ask(s.Harvest), ask(s.Suppression)
	now.mailbox = ask(s.Mailbox)
	now.mailboxFailed = s.MailboxErr != nil && s.MailboxErr() != nil
	return now
}

func askEach[T any](sources map[string]func() T) map[string]T {
	now := make(map[string]T, len(sources))
	for name, source := range sources {
		now[name] = source()
	}
	return now
}

func ask[T any](source func() T) *T {
	if source == nil {
		return nil
	}
	v := source()
	return &v
}

// collector is all our families of metrics.
type collector struct {
	sources  Sources
	families []family
}

// family is one name and how its values are read from a snapshot.
type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(s *snapshot, out *output)
}

func newCollector(s Sources) *collector {
	c := &collector{sources: s}
	c.families = append(c.families, family{
		desc: prometheus.NewDesc("posthaste_build_info", "Always 1; the labels say what runs.", []string{"version", "goversion"}, nil),
		kind: prometheus.GaugeValue,
		read: func(s *snapshot, out *output) { out.value(1, s.version, runtime.Version()) },
	})
	if s.Events != nil {
		c.families = append(c.families, eventFamilies()...)
	}
	if s.Queue != nil {
		c.families = append(c.families, queueFamilies()...)
	}
	if s.Relay != nil {
		c.families = append(c.families, relayFamilies()...)
		c.families = append(c.families, inboundFamilies()...)
	}
	if s.Resolver != nil {
		c.families = append(c.families, resolverFamilies()...)
	}
	if s.Auth != nil {
		c.families = append(c.families, authFamilies()...)
	}
	if s.Certificates != nil {
		c.families = append(c.families, certificatesFamily())
	}
	if s.Limits != nil {
		c.families = append(c.families, limitFamilies()...)
	}
	if s.Harvest != nil {
		c.families = append(c.families, tarpitFamilies()...)
	}
	if s.Suppression != nil {
		c.families = append(c.families, suppressionFamilies()...)
	}
	if s.Greylist != nil {
		c.families = append(c.families, greylistFamilies()...)
	}
	if s.Milters != nil {
		c.families = append(c.families, milterFamilies()...)
	}
	if len(s.Servers) > 0 {
		c.families = append(c.families, serverFamilies()...)
	}
	if s.Mailbox != nil {
		c.families = append(c.families, mailboxFamilies()...)
	}
	if len(s.IMAP)+len(s.POP3) > 0 {
		c.families = append(c.families, mailServerFamilies()...)
	}
	if s.Relay != nil || len(s.Servers) > 0 {
		c.families = append(c.families, connectionsFamily())
	}
	return c
}

// familyKind is counter, gauge or histogram.
type familyKind func(name, help string, labels []string, read func(*snapshot, *output)) family

func counter(name, help string, labels []string, read func(*snapshot, *output)) family {
	return family{prometheus.NewDesc("posthaste_"+name, help, labels, nil), prometheus.CounterValue, read}
}

func gauge(name, help string, labels []string, read func(*snapshot, *output)) family {
	return family{prometheus.NewDesc("posthaste_"+name, help, labels, nil), prometheus.GaugeValue, read}
}

func histogram(name, help string, labels []string, read func(*snapshot, *output)) family {
	return family{prometheus.NewDesc("posthaste_"+name, help, labels, nil), 0, read} // a histogram has a type of its own
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range c.families {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	now := c.sources.snapshot()
	for _, f := range c.families {
		f.read(now, &output{f, ch})
	}
}

// output takes the values of one family.
type output struct {
	family
	ch chan<- prometheus.Metric
}

func (o *output) value(v float64, labels ...string) {
	o.ch <- prometheus.MustNewConstMetric(o.desc, o.kind, v, labels...)
}

func (o *output) count(v uint64, labels ...string) { o.value(float64(v), labels...) }

// histogram takes counts of each bucket on its own, one more than bounds.
func (o *output) histogram(bounds []float64, counts []uint64, sum float64, labels ...string) {
	buckets := make(map[float64]uint64, len(bounds))
	var total uint64
	for i, n := range counts {
		total += n
		if i < len(bounds) {
			buckets[bounds[i]] = total
		}
	}
	o.ch <- prometheus.MustNewConstHistogram(o.desc, total, sum, buckets, labels...)
}

func (o *output) delays(h *relay.DelayHistogram, labels ...string) {
	o.histogram(relay.DelayBounds[:], h.Counts[:], h.Sum, labels...)
}
