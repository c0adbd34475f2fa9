package bench

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// Report is all that a bench found.
type Report struct {
	Made      time.Time  `json:"made"`
	Machine   Machine    `json:"machine"`
	Command   []string   `json:"command"`
	Missing   []string   `json:"missing,omitempty"` // peers that could not take part, and why
	Scenarios []Scenario `json:"scenarios"`
	Results   []Result   `json:"results"`
}

// Machine is where it was measured: figures of different machines do not compare.
type Machine struct {
	OS     string `json:"os"`
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory int64  `json:"memory"`
}

func newReport(*Options) *Report {
	return &Report{Made: time.Now().UTC().Truncate(time.Second), Machine: thisMachine(), Command: os.Args}
}

func thisMachine() Machine {
	m := Machine{OS: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU()}
	mem, _ := os.ReadFile("/proc/meminfo")
	m.Memory = fieldOf(mem, "MemTotal:") << 10
	cpu, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(cpu)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	return m
}

// Line is one run in one line.
func (r *Result) Line() string {
	s := fmt.Sprintf("%-18s %-10s %8.0f acc/s %8.0f dlv/s  250 p50 %s p99 %s  dlv p50 %s p99 %s  cpu/1000 %.3fs  pss %s  wr %s/msg",
		r.Scenario, r.Relay, r.AcceptedPerSecond, r.DeliveredPerSecond, ms(r.Answered.P50), ms(r.Answered.P99),
		ms(r.Delivered.P50), ms(r.Delivered.P99), r.CPUPerThousand, size(r.PeakPSS), size(int64(r.WrittenPerMessage)))
	return s
}

func ms(seconds float64) string { return fmt.Sprintf("%.2fms", seconds*1000) }

func size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%.1fGiB", float64(n)/(1<<30))
	case n >= 10<<20:
		return fmt.Sprintf("%.0fMiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1fKiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%dB", n)
}
