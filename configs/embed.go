// Package configs holds the config groups and primary configs that the program
// ships with, so that it runs in any directory. Names and values are those of the
// Python package's tree; hoefling_2024, simulated_retina and the group mei are our
// own.
package configs

import "embed"

// FS is the tree: primary configs at its root, one directory for each group.
//
//go:embed *.yaml */*.yaml */*/*.yaml schema/*.json
var FS embed.FS
