// Openretina trains, evaluates and probes models of the retina.
package main

import (
	"os"

	"github.com/open-retina/openretina-go/cmd/openretina/internal/cli"
)

func main() { os.Exit(cli.Main()) }
