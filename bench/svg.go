package bench

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
)

// Plots are SVG text made here: a report has to open anywhere, years later.

const (
	plotWidth, plotHeight = 720.0, 260.0
	plotLeft, plotRight   = 64.0, 150.0 // room for the scale and for the names
	plotTop, plotBottom   = 10.0, 28.0
	barHeight, barGap     = 16.0, 8.0
	barNames              = 220.0
)

// color is the i-th of a palette that the colour-blind can tell apart too.
func color(i int) string {
	palette := [...]string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#888888"}
	return palette[i%len(palette)]
}

type barValue struct {
	group, name string
	value       float64
}

// barChart draws lying bars, one a value, with the colour of its name.
func barChart(values []barValue, format string) template.HTML {
	var names []string
	top := 0.0
	for _, v := range values {
		top = max(top, v.value)
		if !slices.Contains(names, v.name) {
			names = append(names, v.name)
		}
	}
	var b strings.Builder
	y, group := plotTop, ""
	for i, v := range values {
		if i > 0 && v.group != group {
			y += barGap
		}
		group = v.group
		w := v.value / top * (plotWidth - barNames - 80)
		fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="end">%s</text>`, barNames-6, y+12, esc(v.group+" "+v.name))
		fmt.Fprintf(&b, `<rect x="%g" y="%g" width="%.1f" height="%g" fill="%s"/>`, barNames, y, max(w, 1), barHeight-3, color(slices.Index(names, v.name)))
		fmt.Fprintf(&b, `<text x="%.1f" y="%g">%s</text>`, barNames+w+6, y+12, esc(fmt.Sprintf(format, v.value)))
		y += barHeight
	}
	return svg(y+plotTop, b.String())
}

// line is one curve: points of x and y.
type line struct {
	name   string
	points [][2]float64
}

// lineChart draws curves on linear scales from zero.
func lineChart(lines []line) template.HTML {
	xTop, yTop := 0.0, 0.0
	for _, l := range lines {
		for _, p := range l.points {
			xTop, yTop = max(xTop, p[0]), max(yTop, p[1])
		}
	}
	xTop, yTop = max(xTop, 1e-9), max(yTop, 1e-9)
	x := func(v float64) float64 { return plotLeft + v/xTop*(plotWidth-plotLeft-plotRight) }
	y := func(v float64) float64 { return plotHeight - plotBottom - v/yTop*(plotHeight-plotTop-plotBottom) }
	var b strings.Builder
	for i := range 5 {
		v := yTop * float64(i) / 4
		grid(&b, plotLeft, y(v), plotWidth-plotRight, y(v))
		fmt.Fprintf(&b, `<text x="%g" y="%.1f" text-anchor="end">%s</text>`, plotLeft-6, y(v)+4, esc(number(v)))
		u := xTop * float64(i) / 4
		fmt.Fprintf(&b, `<text x="%.1f" y="%g" text-anchor="middle">%s</text>`, x(u), plotHeight-8, esc(number(u)))
	}
	curves(&b, lines, x, y)
	return svg(plotHeight, b.String())
}

// latencyChart draws latency over percentile: the nines are spread evenly, time is logarithmic.
func latencyChart(lines []line) template.HTML {
	low, high := math.Inf(1), 0.0
	for _, l := range lines {
		for _, p := range l.points {
			if p[1] > 0 {
				low, high = min(low, p[1]), max(high, p[1])
			}
		}
	}
	if high == 0 {
		return ""
	}
	lo, hi := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	hi = max(hi, lo+1)
	nines := func(p float64) float64 { return min(-math.Log10(max(1-p/100, 1e-9)), 5) }
	x := func(p float64) float64 { return plotLeft + nines(p)/5*(plotWidth-plotLeft-plotRight) }
	y := func(s float64) float64 {
		return plotHeight - plotBottom - (math.Log10(max(s, low))-lo)/(hi-lo)*(plotHeight-plotTop-plotBottom)
	}
	var b strings.Builder
	for e := lo; e <= hi; e++ {
		v := math.Pow(10, e)
		grid(&b, plotLeft, y(v), plotWidth-plotRight, y(v))
		fmt.Fprintf(&b, `<text x="%g" y="%.1f" text-anchor="end">%s</text>`, plotLeft-6, y(v)+4, esc(number(v*1000)))
	}
	for _, p := range []float64{0, 50, 90, 99, 99.9, 99.99} {
		grid(&b, x(p), plotTop, x(p), plotHeight-plotBottom)
		fmt.Fprintf(&b, `<text x="%.1f" y="%g" text-anchor="middle">%g</text>`, x(p), plotHeight-8, p)
	}
	curves(&b, lines, x, y)
	return svg(plotHeight, b.String())
}

func curves(b *strings.Builder, lines []line, x, y func(float64) float64) {
	for i, l := range lines {
		fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="2" points="`, color(i))
		for _, p := range l.points {
			fmt.Fprintf(b, "%.1f,%.1f ", x(p[0]), y(p[1]))
		}
		b.WriteString(`"/>`)
		fmt.Fprintf(b, `<text x="%g" y="%g" fill="%s">%s</text>`, plotWidth-plotRight+8, plotTop+14*float64(i)+8, color(i), esc(l.name))
	}
}

func grid(b *strings.Builder, x1, y1, x2, y2 float64) {
	fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#ddd"/>`, x1, y1, x2, y2)
}

func number(v float64) string {
	if v >= 10 || v == 0 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

func esc(s string) string { return template.HTMLEscapeString(s) }

func svg(height float64, body string) template.HTML {
	return template.HTML(fmt.Sprintf(`<svg viewBox="0 0 %g %.0f" width="%g" role="img" font-size="12" font-family="sans-serif">%s</svg>`,
		plotWidth, height, plotWidth, body))
}
