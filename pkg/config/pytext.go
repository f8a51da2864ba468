package config

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
)

// pyText is Python's str() of a scalar: None, True, 1e-08, 10000000000.0.
func pyText(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int64:
		return strconv.FormatInt(v, 10)
	case *big.Int:
		return v.String()
	case float64:
		return pyFloat(v)
	case string:
		return v
	}
	return ""
}

// pyFloat is Python's repr() of a float: the shortest digits that read back, with
// an exponent below 1e-4 and from 1e16 on.
func pyFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	digits := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(digits, "e")
	exp, _ := strconv.Atoi(exponent)
	if exp < -4 || exp >= 16 {
		sign := "+"
		if exp < 0 {
			sign, exp = "-", -exp
		}
		e := strconv.Itoa(exp)
		if len(e) < 2 {
			e = "0" + e
		}
		return mantissa + "e" + sign + e
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// pyRepr is Python's repr() of a string: single quotes unless it holds one and no
// double quote.
func pyRepr(s string) string {
	quote := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteRune(quote)
	for _, r := range s {
		switch {
		case r == quote || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20 || r == 0x7f:
			b.WriteString(`\x` + hex(uint64(r), 2))
		case !unicode.IsPrint(r) && r <= 0xffff:
			b.WriteString(`\u` + hex(uint64(r), 4))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteRune(quote)
	return b.String()
}

func hex(v uint64, width int) string {
	s := strconv.FormatUint(v, 16)
	if len(s) < width {
		s = strings.Repeat("0", width-len(s)) + s
	}
	return s
}

// pyNode is Python's str() of a node: containers print like lists and dicts.
func pyNode(n *Node) string {
	if n.shape == scalarShape {
		return pyText(n.scalar)
	}
	return pyNodeRepr(n)
}

func pyNodeRepr(n *Node) string {
	if n.shape == scalarShape {
		return pyScalarRepr(n.scalar)
	}
	parts := make([]string, len(n.children))
	for i, c := range n.children {
		parts[i] = pyNodeRepr(c)
		if n.shape == mapShape {
			parts[i] = pyScalarRepr(c.key) + ": " + parts[i]
		}
	}
	if n.shape == mapShape {
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func pyScalarRepr(v any) string {
	if s, ok := v.(string); ok {
		return pyRepr(s)
	}
	return pyText(v)
}

// pyType is the name of the value's Python type.
func pyType(v any) string {
	switch v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case float64:
		return "float"
	case string:
		return "str"
	}
	return "int"
}

// plainType is the Python type of a node's content outside a tree.
func plainType(n *Node) string {
	switch n.shape {
	case listShape:
		return "list"
	case mapShape:
		return "dict"
	}
	return pyType(n.scalar)
}

// pyNodeType is the type with which OmegaConf holds a node of a tree.
func pyNodeType(n *Node) string {
	switch n.shape {
	case listShape:
		return "omegaconf.listconfig.ListConfig"
	case mapShape:
		return "omegaconf.dictconfig.DictConfig"
	}
	return pyType(n.scalar)
}
