package config

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// infos are the parts of what Info tells, in Hydra's words; all stands for every
// one.
var infos = []struct {
	name  string
	write func(*infoWriter, *Config) error
}{
	{"searchpath", (*infoWriter).searchPath},
	{"defaults-tree", (*infoWriter).defaultsTree},
	{"defaults", (*infoWriter).defaultsList},
	{"config", nil},
}

const allInfos = "all"

// InfoNames are the words that Info takes.
func InfoNames() []string {
	names := []string{allInfos}
	for _, i := range infos {
		names = append(names, i.name)
	}
	return names
}

// Info tells how a config was put together, as Hydra's --info does: searchpath, the
// places that were looked through; defaults-tree, which config lists which;
// defaults, the final list with the package of each config; config, all of these
// and the config itself. "all" is config too.
func (c *Config) Info(what string) ([]byte, error) {
	if !slices.Contains(InfoNames(), what) {
		e := newError(classValue, "unknown info %q", what)
		e.Hint = didYouMean(what, InfoNames())
		return nil, e
	}
	w := &infoWriter{}
	everything := what == "config" || what == allInfos
	for _, i := range infos {
		if i.write == nil || !everything && what != i.name {
			continue
		}
		if err := i.write(w, c); err != nil {
			return nil, err
		}
	}
	if !everything {
		return w.b.Bytes(), nil
	}
	w.title("Config")
	text, err := ToYAML(c.Root, false)
	if err != nil {
		return nil, err
	}
	w.b.Write(text)
	return w.b.Bytes(), nil
}

type infoWriter struct{ b bytes.Buffer }

// title starts a part.
func (w *infoWriter) title(text string) {
	if w.b.Len() > 0 {
		w.b.WriteByte('\n')
	}
	fmt.Fprintf(&w.b, "%s\n%s\n", text, strings.Repeat("*", len(text)))
}

// table writes rows, of which the first one is the heading.
func (w *infoWriter) table(rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	rule := strings.Repeat("-", len(w.row(rows[0], widths)))
	for i, row := range rows {
		w.b.WriteString(w.row(row, widths) + "\n")
		if i == 0 {
			w.b.WriteString(rule + "\n")
		}
	}
	w.b.WriteString(rule + "\n")
}

func (w *infoWriter) row(cells []string, widths []int) string {
	var b strings.Builder
	for i, cell := range cells {
		fmt.Fprintf(&b, "| %-*s ", widths[i], cell)
	}
	return b.String() + "|"
}

func (w *infoWriter) searchPath(c *Config) error {
	w.title("Config search path")
	rows := [][]string{{"Provider", "Search path"}}
	sources, err := c.Hydra.Select("runtime.config_sources")
	if err != nil {
		return err
	}
	for _, n := range sources.Items() {
		var s struct{ Path, Schema, Provider string }
		if err := n.Decode(&s); err != nil {
			return err
		}
		rows = append(rows, []string{s.Provider, s.Schema + "://" + s.Path})
	}
	w.table(rows)
	return nil
}

func (w *infoWriter) defaultsTree(c *Config) error {
	w.title("Defaults Tree")
	w.treeNode(c.tree, "")
	return nil
}

func (w *infoWriter) treeNode(n *treeNode, indent string) {
	w.b.WriteString(indent + n.describe())
	if len(n.children) > 0 {
		w.b.WriteByte(':')
	}
	w.b.WriteByte('\n')
	for _, child := range n.children {
		w.treeNode(child, indent+"  ")
	}
}

// describe is "group: option" or the path of a config.
func (n *treeNode) describe() string {
	switch {
	case n.item.isSelf():
		return selfName
	case !n.item.isGroup:
		return n.item.configPath()
	case n.item.choice.kind == nullChoice:
		return n.item.overrideKey() + ": null"
	}
	return n.item.overrideKey() + ": " + n.item.choice.text()
}

func (w *infoWriter) defaultsList(c *Config) error {
	w.title("Defaults List")
	rows := [][]string{{"Config path", "Package", "_self_", "Parent"}}
	for _, item := range c.list {
		if item.configPath == emptyConfig {
			continue
		}
		isSelf := "False"
		if item.isSelf {
			isSelf = "True"
		}
		rows = append(rows, []string{item.configPath, item.pkg, isSelf, item.parent})
	}
	w.table(rows)
	return nil
}
