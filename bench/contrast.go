package bench

import "fmt"

// Contrast is what a scenario costs a relay beside the one that is like it but for one thing.
type Contrast struct {
	Scenario string `json:"scenario"`
	To       string `json:"to"`
	Relay    string `json:"relay"`
	// Accepted is the rate of the first over that of the second, which are beside it; the medians of all rounds.
	Accepted float64 `json:"accepted"`
	Rate     float64 `json:"accepted_per_second"`
	ToRate   float64 `json:"to_accepted_per_second"`
	CPU      float64 `json:"cpu_per_1000"`
	ToCPU    float64 `json:"to_cpu_per_1000"`
	RSS      float64 `json:"peak_rss"`
	ToRSS    float64 `json:"to_peak_rss"`
}

// Contrasts are in the order of the scenarios; those that failed, or were not run beside their other, are left out,
// and those with signatures, for which there are SigningCosts.
func (r *Report) Contrasts() []Contrast {
	var list []Contrast
	sums := r.Summaries()
	for _, sc := range r.Scenarios {
		for i := range sums {
			s := &sums[i]
			if sc.Over == "" || len(sc.Sign) > 0 || s.Scenario != sc.Name {
				continue
			}
			for j := range sums {
				if to := &sums[j]; to.Scenario == sc.Over && to.Relay == s.Relay && s.Accepted > 0 && to.Accepted > 0 {
					list = append(list, contrast(s, to))
				}
			}
		}
	}
	return list
}

func contrast(s, to *Summary) Contrast {
	return Contrast{
		Scenario: s.Scenario, To: to.Scenario, Relay: s.Relay, Accepted: over(s.Accepted, to.Accepted),
		Rate: s.Accepted, ToRate: to.Accepted, CPU: s.CPU, ToCPU: to.CPU, RSS: s.RSS, ToRSS: to.RSS,
	}
}

// Text is the contrast in words.
func (c Contrast) Text() string {
	return fmt.Sprintf("accepts %.0f %% of what %s does (%.0f of %.0f a second), CPU %.3f s per 1,000 (%.3f), RSS %s (%s)",
		100*c.Accepted, c.To, c.Rate, c.ToRate, c.CPU, c.ToCPU, size(int64(c.RSS)), size(int64(c.ToRSS)))
}
