package config

import "strings"

// overrideKind says what an override does.
type overrideKind uint8

const (
	changeOverride overrideKind = iota
	addOverride                 // +key=value
	forceOverride               // ++key=value
	deleteOverride              // ~key or ~key=value
)

var overridePrefix = [...]string{changeOverride: "", addOverride: "+", forceOverride: "++", deleteOverride: "~"}

// override is one parsed word of a command line.
type override struct {
	kind       overrideKind
	key        string // a path of the config, or a config group
	pkg        string
	hasPackage bool
	hasValue   bool
	value      any // an element or a sweep, see overridevalue.go
	input      string
}

// keyElement is the override without its value.
func (o *override) keyElement() string {
	s := overridePrefix[o.kind] + o.key
	if o.hasPackage {
		s += "@" + o.pkg
	}
	return s
}

func (o *override) isHydra() bool {
	return strings.HasPrefix(o.key, "hydra.") || strings.HasPrefix(o.key, "hydra/")
}

func (o *override) origin() Origin { return Origin{File: "command line", Text: o.input} }

// ParseOverride checks the grammar of one override without applying it.
func ParseOverride(input string) error {
	_, err := parseOverride(input)
	return err
}

func parseOverrides(inputs []string) ([]*override, error) {
	list := make([]*override, len(inputs))
	for i, input := range inputs {
		o, err := parseOverride(input)
		if err != nil {
			return nil, err
		}
		list[i] = o
	}
	return list, nil
}

// maxOverrideBytes bounds one override; the system's own limit is 128 KiB.
const maxOverrideBytes = 1 << 20

func parseOverride(input string) (*override, error) {
	if len(input) > maxOverrideBytes {
		return nil, newError(classOverrideParse, "an override is longer than %d bytes", maxOverrideBytes)
	}
	p := &overrideParser{src: input}
	o, err := p.override()
	if err != nil {
		return nil, err
	}
	o.input = input
	return o, nil
}

func (p *overrideParser) override() (*override, error) {
	o, err := p.key()
	if err != nil {
		return nil, err
	}
	if !o.hasValue {
		return o, nil
	}
	p.pos += len(spaceToken.FindString(p.rest()))
	if p.pos == len(p.src) {
		o.value = ""
		return o, nil
	}
	p.tokenize()
	if o.value, err = p.value(); err != nil {
		if p.atBad {
			err = p.lexErr
		}
		return o, err
	}
	// Functions are called once the whole value has been read.
	o.value, err = p.evaluate(o.value)
	return o, err
}
