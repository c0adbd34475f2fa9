package bench

import (
	_ "embed"
	"html/template"
	"io"
)

//go:embed report.html
var reportPage string

// WriteHTML writes the report as one page that needs nothing from elsewhere.
func (r *Report) WriteHTML(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"size": func(n float64) string { return size(int64(n)) }, "times": times,
	}).Parse(reportPage)
	if err != nil {
		return err
	}
	var special []specialLine
	for i := range r.Results {
		for _, l := range r.Results[i].special() {
			special = append(special, specialLine{r.Results[i].Scenario, r.Results[i].Relay, l})
		}
	}
	return t.Execute(w, map[string]any{
		"Contrasts": r.Contrasts(),
		"Report":    r, "Summaries": r.Summaries(), "Ratios": r.Ratios(), "Special": special, "Signing": r.SigningCosts(), "Plots": r.plots(),
	})
}

type specialLine struct{ Scenario, Relay, Text string }

// plot is one picture with its heading.
type plot struct {
	Title string
	SVG   template.HTML
}

// plots draws the rates and the CPU of all, and for each scenario latency and course.
func (r *Report) plots() []plot {
	list := r.Summaries()
	pick := func(of func(*Summary) float64) []barValue {
		var v []barValue
		for i := range list {
			if x := of(&list[i]); x > 0 {
				v = append(v, barValue{list[i].Scenario, list[i].Relay, x})
			}
		}
		return v
	}
	plots := []plot{
		{"Recipients delivered a second", barChart(pick(func(s *Summary) float64 { return s.Delivered }), "%.0f")},
		{"CPU-seconds of the relay per 1,000 messages", barChart(pick(func(s *Summary) float64 { return s.CPU }), "%.3f")},
		{"Memory at its peak (PSS, MiB)", barChart(pick(func(s *Summary) float64 { return s.PSS / (1 << 20) }), "%.0f")},
	}
	for _, sc := range r.Scenarios {
		var latency, course []line
		for i := range list {
			s := &list[i]
			if s.Scenario != sc.Name {
				continue
			}
			if len(s.Curve) > 0 {
				latency = append(latency, line{s.Relay, s.Curve})
			}
			course = append(course, courseOf(s)...)
		}
		if len(latency) > 0 {
			plots = append(plots, plot{sc.Name + ": time to the 250 (ms) by percentile", latencyChart(latency)})
		}
		if len(course) > 0 {
			plots = append(plots, plot{sc.Name + ": recipients accepted and delivered over time (s)", lineChart(course)})
		}
	}
	return plots
}

func courseOf(s *Summary) []line {
	if len(s.Series) < 3 {
		return nil
	}
	in, out := line{name: s.Relay + " accepted"}, line{name: s.Relay + " delivered"}
	for _, p := range s.Series {
		in.points = append(in.points, [2]float64{p.At, float64(p.Accepted)})
		out.points = append(out.points, [2]float64{p.At, float64(p.Delivered)})
	}
	return []line{in, out}
}
