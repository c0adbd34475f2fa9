// Command posthaste is an outbound mail relay: it takes mail in over SMTP, keeps it safely on
// disk, and delivers it to each receiver as fast as that one takes it.
package main

import (
	"fmt"
	"os"
)

func main() {
	path := defaultConfigFile
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	cfg, pos, err := LoadConfig(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(78)
	}
	for _, s := range settings(cfg) {
		fmt.Printf("%s = %s  # %s\n", s.key, s, pos.Where(s.key))
	}
}
