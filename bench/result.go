package bench

import "time"

// Result is what one run of a scenario measured. Times are in seconds, sizes in bytes.
type Result struct {
	Scenario string `json:"scenario"`
	Relay    string `json:"relay"`
	Round    int    `json:"round"`
	Tools    string `json:"tools"` // who sent and who received

	Sent  LoadResult `json:"sent"`
	Tally Tally      `json:"tally"`

	AcceptedPerSecond  float64 `json:"accepted_per_second"`  // messages, while the load ran
	DeliveredPerSecond float64 `json:"delivered_per_second"` // recipients, from the first byte sent to the last delivery
	MBPerSecond        float64 `json:"mb_per_second"`        // content delivered, 10^6 bytes
	Wall               float64 `json:"wall"`                 // until the last delivery

	Answered  Latency `json:"answered"`  // of the 250
	Delivered Latency `json:"delivered"` // from the 250 to the delivery

	CPUPerThousand    float64 `json:"cpu_per_1000"` // CPU-seconds of the relay per 1,000 messages
	CPUExact          bool    `json:"cpu_exact"`    // children that nobody waited for are in it
	PeakRSS           int64   `json:"peak_rss"`
	PeakPSS           int64   `json:"peak_pss"`
	WrittenPerMessage float64 `json:"written_per_message"`      // by the relay's processes
	DiskPerMessage    float64 `json:"disk_written_per_message"` // to the device, whoever wrote
	Processes         int     `json:"processes"`

	PerRoundTrip float64  `json:"messages_per_round_trip,omitempty"`
	Disk         *Disk    `json:"disk,omitempty"`
	Backlog      *Backlog `json:"backlog,omitempty"`
	Mailbox      *Mailbox `json:"mailbox,omitempty"`
	Series       []Point  `json:"series,omitempty"`
	// Trouble says in words what went wrong; empty when nothing did.
	Trouble string `json:"trouble,omitempty"`
}

// Point is one moment of a run, for plots.
type Point struct {
	At        float64 `json:"at"`
	Accepted  int64   `json:"accepted"`  // recipients so far
	Delivered int64   `json:"delivered"` // deliveries so far
	PSS       int64   `json:"pss,omitempty"`
	CPU       float64 `json:"cpu,omitempty"` // seconds so far
}

// Disk is what the disk itself takes for an append and an fdatasync of a message's size.
type Disk struct {
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	AgainP50 float64 `json:"again_p50"` // where the file's blocks were written before
	Ratio    float64 `json:"ratio"`     // p50 of the 250 over p50 of the append
}

// Backlog is what a queue costs that cannot be delivered, and how soon a restarted relay serves.
type Backlog struct {
	Queued       int64   `json:"queued"`
	DiskUse      int64   `json:"disk_use"`       // bytes under the relay's folder, but for the log
	LogUse       int64   `json:"log_use"`        // bytes of the log of events, which grows with each retry
	DiskRatio    float64 `json:"disk_ratio"`     // over the content's size
	RSS          int64   `json:"rss"`            // peak while it filled
	RestartRSS   int64   `json:"restart_rss"`    // peak after the restart
	FirstAnswer  float64 `json:"first_answer"`   // restart to the first 250
	FirstRetry   float64 `json:"first_retry"`    // restart to the first mail at the next hop
	Drained      float64 `json:"drained"`        // restart to the last delivery
	DrainPerSec  float64 `json:"drained_per_s"`  // recipients
	StopDuration float64 `json:"stop_duration"`  // SIGTERM to the end
	CPUDrain     float64 `json:"cpu_drain_1000"` // CPU-seconds per 1,000 messages after the restart
}

func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

func perMessage(n, messages int64) float64 {
	if messages == 0 {
		return 0
	}
	return float64(n) / float64(messages)
}
