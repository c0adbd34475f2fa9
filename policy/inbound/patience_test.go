package inbound

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := withPatience(t.Context(), time.Second)
		time.Sleep(time.Hour)
		if p.Err() != nil {
			t.Error("the time ran before anybody waited")
		}
		begun := time.Now()
		<-p.Done()
		if waited := time.Since(begun); waited != time.Second || !errors.Is(p.Err(), context.DeadlineExceeded) {
			t.Errorf("ended after %v: %v", waited, p.Err())
		}
		p.end()
		if !errors.Is(p.Err(), context.DeadlineExceeded) {
			t.Error(p.Err())
		}
	})
}

func TestPatienceEnds(t *testing.T) {
	for name, wait := range map[string]func(*patience){"unused": func(*patience) {}, "waited for": func(p *patience) { p.Done() }} {
		p := withPatience(t.Context(), time.Hour)
		wait(p)
		p.end()
		<-p.Done()
		if !errors.Is(p.Err(), context.Canceled) {
			t.Errorf("%s: %v", name, p.Err())
		}
		parent, cancel := context.WithCancel(t.Context())
		p = withPatience(parent, time.Hour)
		wait(p)
		cancel()
		if !errors.Is(p.Err(), context.Canceled) {
			t.Errorf("%s, parent ended: %v", name, p.Err())
		}
		<-p.Done()
		p.end()
	}
}

// A context made of it ends with it, and not before.
func TestPatienceHasChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := withPatience(t.Context(), time.Second)
		defer p.end()
		child, cancel := context.WithTimeout(p, time.Hour)
		defer cancel()
		begun := time.Now()
		<-child.Done()
		if waited := time.Since(begun); waited != time.Second {
			t.Errorf("the child ended after %v", waited)
		}
	})
}
