package config

import (
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Complete gives what an unfinished override may go on with: config groups and
// their options, and the keys of the config that the other overrides compose to,
// with their present values. A tree that does not compose has groups only.
func Complete(o Options, word string) []string {
	prefix := word[:len(word)-len(strings.TrimLeft(word, "+~"))]
	word = word[len(prefix):]
	repo := newRepository(o.Sources, &environment{})
	var found []string
	if key, _, isValue := strings.Cut(word, "="); isValue {
		found = o.completeValue(repo, key)
	} else {
		found = append(repo.subgroups(word), o.completeKey(word)...)
	}
	slices.Sort(found)
	found = slices.DeleteFunc(slices.Compact(found), func(s string) bool { return !strings.HasPrefix(s, word) })
	for i := range found {
		found[i] = prefix + found[i]
	}
	return found
}

// completeValue gives the options of a group, or the value that a key has.
func (o Options) completeValue(repo *repository, key string) []string {
	group, _, _ := strings.Cut(key, "@")
	var found []string
	for _, option := range repo.options(group) {
		found = append(found, key+"="+option)
	}
	if len(found) > 0 {
		return found
	}
	c, err := Compose(o)
	if err != nil {
		return nil
	}
	if n, ok := c.Root.At(key); ok && n.shape == scalarShape {
		return []string{key + "=" + elementText(n.scalar)}
	}
	return nil
}

// completeKey gives the keys beside the last part of an unfinished path: "key=" of
// a value, "key." of what holds more.
func (o Options) completeKey(word string) []string {
	c, err := Compose(o)
	if err != nil {
		return nil
	}
	above := word[:strings.LastIndexByte(word, '.')+1]
	parent := c.Root
	if above != "" {
		if parent, err = c.Root.Select(strings.TrimSuffix(above, ".")); err != nil || parent == nil {
			return nil
		}
	}
	var found []string
	for key, n := range parent.Fields() {
		end := "="
		if n.shape == mapShape {
			end = "."
		}
		found = append(found, above+key+end)
	}
	return found
}

// subgroups gives the groups beside the last part of an unfinished group: "group="
// of one that has options, "group/" of one that has groups.
func (r *repository) subgroups(word string) []string {
	above := word[:strings.LastIndexByte(word, '/')+1]
	var found []string
	for _, s := range r.sources {
		entries, err := fs.ReadDir(s.FS, path.Clean(above+"."))
		if err != nil {
			continue
		}
		for _, e := range entries {
			group := above + e.Name()
			if !e.IsDir() {
				continue
			}
			if len(r.options(group)) > 0 {
				found = append(found, group+"=")
			}
			if r.hasGroups(group) {
				found = append(found, group+"/")
			}
		}
	}
	return found
}

func (r *repository) hasGroups(group string) bool {
	return slices.ContainsFunc(r.sources, func(s Source) bool {
		entries, err := fs.ReadDir(s.FS, group)
		return err == nil && slices.ContainsFunc(entries, fs.DirEntry.IsDir)
	})
}
