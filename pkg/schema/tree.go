package schema

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/open-retina/openretina-go/pkg/config"
)

// option is a file of a config tree.
type option struct {
	group string // empty for primary configs
	name  string
	root  *yaml.Node // a mapping
	about string     // the comment that the file begins with
}

// readTree reads all files of a tree of configs.
func readTree(tree fs.FS) (options []option, err error) {
	err = fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".yaml" {
			return err
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		var document yaml.Node
		if err := yaml.Unmarshal(text, &document); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
			return fmt.Errorf("%s is no mapping", name)
		}
		o := option{name: strings.TrimSuffix(path.Base(name), ".yaml"), root: document.Content[0]}
		if group := path.Dir(name); group != "." {
			o.group = group
		}
		o.about, _, _ = strings.Cut(comment(firstComment(&document)), "\n")
		options = append(options, o)
		return nil
	})
	return options, err
}

func firstComment(document *yaml.Node) string {
	root := document.Content[0]
	for _, text := range []string{document.HeadComment, root.HeadComment, root.Content[0].HeadComment} {
		if text != "" {
			return text
		}
	}
	return ""
}

// comment is the text of a comment.
func comment(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(strings.TrimLeft(line, "#"))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// fields goes over the keys of a mapping.
func fields(n *yaml.Node, visit func(key string, value *yaml.Node, about string)) {
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		about := key.LineComment
		if about == "" {
			about = value.LineComment
		}
		visit(key.Value, value, comment(about))
	}
}

// get is the value of a key of a mapping, nil where it is absent.
func get(n *yaml.Node, name string) (found *yaml.Node) {
	fields(n, func(key string, value *yaml.Node, _ string) {
		if key == name {
			found = value
		}
	})
	return found
}

// targetOf is a mapping's _target_; empty where it has none.
func targetOf(n *yaml.Node) string {
	if t := get(n, config.TargetKey); t != nil {
		return t.Value
	}
	return ""
}

// collectComments notes what the comments behind keys say of the arguments of each
// _target_; of keys elsewhere, under the path of their mapping.
func collectComments(n *yaml.Node, where string, to map[string]map[string]string) {
	if target := targetOf(n); target != "" {
		where = target
	}
	fields(n, func(key string, value *yaml.Node, about string) {
		if about != "" {
			if to[where] == nil {
				to[where] = map[string]string{}
			}
			if to[where][key] == "" {
				to[where][key] = about
			}
		}
		collectComments(value, strings.TrimPrefix(where+"."+key, "."), to)
	})
}

// choices are the options that the defaults list of a primary config chooses, in
// order: group and option, where an option of no group is another primary config.
func choices(root *yaml.Node) (chosen [][2]string) {
	defaults := get(root, "defaults")
	if defaults == nil {
		return nil
	}
	for _, item := range defaults.Content {
		if item.Kind == yaml.ScalarNode && item.Value != "_self_" {
			chosen = append(chosen, [2]string{"", item.Value})
		}
		fields(item, func(group string, value *yaml.Node, _ string) {
			group = strings.TrimPrefix(group, "override ")
			if value.Kind == yaml.ScalarNode {
				chosen = append(chosen, [2]string{group, value.Value})
			}
			for _, one := range value.Content {
				chosen = append(chosen, [2]string{group, one.Value})
			}
		})
	}
	return chosen
}
