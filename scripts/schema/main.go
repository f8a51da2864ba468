// Command schema writes the JSON schemas of the configs that the program ships with,
// next to them: make schema.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/open-retina/openretina-go/pkg/schema"
)

func main() {
	if err := write("configs"); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func write(tree string) error {
	files, err := schema.Files(os.DirFS(tree))
	if err != nil {
		return err
	}
	dir := filepath.Join(tree, schema.Folder)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
