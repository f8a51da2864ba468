package retina

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"
	"testing"
)

// exactMath is what the package may use of package math: constants, and
// functions whose results IEEE 754 fixes to the last bit.
var exactMath = map[string]bool{
	"Sqrt": true, "Floor": true, "Abs": true, "Inf": true, "Float64bits": true, "Float64frombits": true,
	"Pi": true, "Ln2": true, "Log2E": true, "Sqrt2": true,
}

// TestPortableArithmetic checks the two rules that make the simulation the same
// on every machine: products are rounded by a conversion before anything is
// added to them, and inexact functions of package math are not used.
func TestPortableArithmetic(t *testing.T) {
	fset := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	if _, err := config.Check("retina", fset, files, info); err != nil {
		t.Fatal(err)
	}
	products := 0
	for _, file := range files {
		var parents []ast.Node
		ast.Inspect(file, func(node ast.Node) bool {
			if node == nil {
				parents = parents[:len(parents)-1]
				return true
			}
			switch n := node.(type) {
			case *ast.BinaryExpr:
				if n.Op == token.MUL && isFloat(info.Types[n]) {
					products++
					if !rounded(parents, info) {
						t.Errorf("%v: a product without a conversion around it may be fused", fset.Position(n.Pos()))
					}
				}
			case *ast.AssignStmt:
				if n.Tok == token.MUL_ASSIGN && isFloat(info.Types[n.Lhs[0]]) {
					t.Errorf("%v: *= on a float may be fused", fset.Position(n.Pos()))
				}
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "math" && !exactMath[n.Sel.Name] {
					t.Errorf("%v: math.%s differs between machines", fset.Position(n.Pos()), n.Sel.Name)
				}
			}
			parents = append(parents, node)
			return true
		})
	}
	if products < 30 {
		t.Errorf("only %d products seen: the check looks at nothing", products)
	}
}

// isFloat says that an expression is a float computed at run time.
func isFloat(value types.TypeAndValue) bool {
	if value.Type == nil || value.Value != nil {
		return false
	}
	basic, ok := value.Type.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsFloat != 0
}

// rounded says that the innermost enclosing expression that is neither a product
// nor a parenthesis is a conversion.
func rounded(parents []ast.Node, info *types.Info) bool {
	for i := len(parents) - 1; i >= 0; i-- {
		switch p := parents[i].(type) {
		case *ast.ParenExpr:
			continue
		case *ast.BinaryExpr:
			if p.Op == token.MUL {
				continue
			}
			return false
		case *ast.CallExpr:
			return info.Types[p.Fun].IsType()
		default:
			return false
		}
	}
	return false
}
