package pickle

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// python are pickles that Python wrote (testdata/make.py), by name and protocol.
func python(t testing.TB) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("testdata/pickles.json")
	if err != nil {
		t.Fatal(err)
	}
	encoded := map[string]string{}
	if err := json.Unmarshal(text, &encoded); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for name, digits := range encoded {
		if files[name], err = hex.DecodeString(digits); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// allowed is what protocols 0 and 1 need to make sets and subclasses.
var allowed = Options{Find: func(c Class) (Constructor, error) {
	if c == (Class{"copy_reg", "_reconstructor"}) {
		return nil, nil
	}
	return nil, errors.New("no")
}}

// load loads a value in all protocols, and what was read once more after it was
// written here.
func load(t *testing.T, name string) map[string]any {
	t.Helper()
	values := map[string]any{}
	for protocol, file := range python(t) {
		if !strings.HasPrefix(protocol, name+" ") {
			continue
		}
		v, err := Load(file, allowed)
		if err != nil {
			t.Fatalf("%s: %v", protocol, err)
		}
		values[protocol] = v
		again, err := Marshal(v, nil)
		if err != nil {
			if strings.Contains(err.Error(), "array of invalid") {
				continue
			}
			t.Fatalf("%s: %v", protocol, err)
		}
		if values[protocol+", written again"], err = Load(again, allowed); err != nil {
			t.Fatalf("%s, written again: %v", protocol, err)
		}
	}
	if len(values) < 6 {
		t.Fatalf("only %d values", len(values))
	}
	return values
}

func get(t *testing.T, v any, key any) any {
	t.Helper()
	d, ok := v.(*Dict)
	if !ok {
		t.Fatalf("a %s is no dict", TypeName(v))
	}
	value, ok := d.Get(key)
	if !ok {
		t.Fatalf("no key %v", key)
	}
	return value
}

var compare = cmp.Options{
	cmp.AllowUnexported(Dict{}),
	cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 }),
}

func TestPlainValues(t *testing.T) {
	huge := new(big.Int).Lsh(big.NewInt(1), 80)
	want := []any{
		"none", nil, "yes", true, "no", false, "small", int64(7), "byte", int64(200), "short", int64(40000),
		"negative", int64(-3), "int", int64(math.MinInt32), "long", int64(1 << 40), "huge", huge,
		"minus huge", new(big.Int).Neg(huge), "float", 0.1, "inf", math.Inf(1),
		"text", "größe 漢 😀\n'\"\\", "empty", "", "bytes", []byte("\x00\xffab"), "no bytes",
		[]byte{},
		"tuple0",
		Tuple{},
		"tuple1",
		Tuple{int64(1)},
		"tuple2",
		Tuple{int64(1), int64(2)},
		"tuple3",
		Tuple{int64(1), int64(2), int64(3)},
		"tuple4",
		Tuple{int64(1), int64(2), int64(3), int64(4)},
		"list", &List{Items: []any{int64(1), &List{Items: []any{int64(2), &List{}}}}}, "dict", &Dict{},
		"set", &Set{Items: []any{int64(5)}}, "frozenset", &Set{Items: []any{int64(6)}, Frozen: true},
		"complex", 1 + 2i, "bytearray", []byte("xyz"),
	}
	for protocol, v := range load(t, "plain") {
		for i := 0; i < len(want); i += 2 {
			if got := get(t, v, want[i]); !cmp.Equal(want[i+1], got, compare, cmp.Comparer(sameList)) {
				t.Errorf("%s: %v is %#v, want %#v", protocol, want[i], got, want[i+1])
			}
		}
		keys := get(t, v, "keys")
		for key, name := range map[any]string{int64(1): "int", nil: "none", 2.5: "float"} {
			if got := get(t, keys, key); got != name {
				t.Errorf("%s: key %v holds %v", protocol, key, got)
			}
		}
		if get(t, keys, Tuple{int64(1), "a"}) != "tuple" || get(t, keys, []byte("k")) != "bytes" || get(t, keys, true) != "int" {
			t.Errorf("%s: tuple, bytes or bool as key", protocol)
		}
	}
}

// sameList takes an empty list for a nil one.
func sameList(a, b *List) bool {
	return cmp.Equal(append([]any{}, a.Items...), append([]any{}, b.Items...), cmp.Comparer(sameList))
}

func TestSharedAndCyclicValues(t *testing.T) {
	for protocol, v := range load(t, "shared") {
		if l := v.(*List).Items; l[0] != l[1] || l[0].(*List).Items[0] != "one" {
			t.Errorf("%s: one list became two", protocol)
		}
	}
	for protocol, v := range load(t, "cyclic") {
		if get(t, v, "self") != v {
			t.Errorf("%s: the cycle is broken", protocol)
		}
	}
}

func TestKinOfDict(t *testing.T) {
	for protocol, v := range load(t, "kin") {
		l := v.(*List).Items
		counts, ordered := l[0].(*Dict), l[1].(*Dict)
		if counts.Class != DefaultDict || counts.Args[0].(Class).Name != "list" || get(t, counts, "a").(*List).Items[0] != int64(1) {
			t.Errorf("%s: defaultdict %v", protocol, counts)
		}
		if ordered.Class != OrderedDict || strings.Join(ordered.Keys(), "") != "ba" {
			t.Errorf("%s: OrderedDict %v", protocol, ordered)
		}
		if l[2].(Class).Name != "dict" || l[3] != OrderedDict {
			t.Errorf("%s: classes %v, %v", protocol, l[2], l[3])
		}
	}
}

func TestArrays(t *testing.T) {
	grid := make([]float64, 12)
	for i := range grid {
		grid[i] = float64(i)
	}
	for protocol, v := range load(t, "arrays") {
		for name, want := range map[string]struct {
			dtype  ndarray.DType
			shape  []int
			values []float64
		}{
			"c":           {ndarray.Float32, []int{3, 4}, grid},
			"fortran":     {ndarray.Float32, []int{3, 4}, grid},
			"big":         {ndarray.Float32, []int{3, 4}, grid},
			"big fortran": {ndarray.Float64, []int{3, 4}, grid},
			"scalar":      {ndarray.Float32, []int{}, []float64{2.5}},
			"zero-d":      {ndarray.Int64, []int{}, []float64{7}},
			"bool":        {ndarray.Bool, []int{2}, []float64{1, 0}},
			"empty":       {ndarray.Float64, []int{0, 3}, []float64{}},
			"int64":       {ndarray.Int64, []int{}, []float64{-5}},
			"view":        {ndarray.Float32, []int{3, 2}, []float64{0, 2, 4, 6, 8, 10}},
			"permuted": {ndarray.Float32, []int{2, 4, 3}, []float64{
				0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11, 12, 16, 20, 13, 17, 21, 14, 18, 22, 15, 19, 23,
			}},
			"texts":   {ndarray.Invalid, []int{2}, []float64{}},
			"objects": {ndarray.Invalid, []int{2}, []float64{}},
			"record":  {ndarray.Invalid, []int{2}, []float64{}},
		} {
			a, ok := get(t, v, name).(*ndarray.Array)
			if !ok || a.DType != want.dtype || !cmp.Equal(a.Shape, want.shape) || !cmp.Equal(a.Float64s(), want.values) {
				t.Errorf("%s: %s is %v", protocol, name, a)
			}
		}
		if get(t, v, "text") != "größe" {
			t.Errorf("%s: text is %v", protocol, get(t, v, "text"))
		}
	}
}

func TestArraysShareMemoryWithTheInput(t *testing.T) {
	file := bytes.Clone(python(t)["arrays 5"])
	v, err := Load(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := get(t, v, "c").(*ndarray.Array)
	before := a.At(1)
	for i := range file {
		file[i] = 0
	}
	if a.At(1) == before {
		t.Error("the data was copied")
	}
}

// TestForbidden: nothing is called, and the message names the class.
func TestForbidden(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"os.system":       {"cos\nsystem\n(S'echo hi'\ntR.", "os.system"},
		"posix.system":    {"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.", "posix.system"},
		"eval":            {"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.", "__builtin__.eval"},
		"exec":            {"cbuiltins\nexec\n(S'1'\ntR.", "builtins.exec"},
		"getattr":         {"cbuiltins\ngetattr\n.", "builtins.getattr"},
		"instance":        {"(S'id'\nios\nsystem\n.", "os.system"},
		"object":          {"(cos\nsystem\nS'id'\no.", "os.system"},
		"dotted":          {"\x80\x04\x8c\x05numpy\x8c\x0ddtype.__new__\x93.", "numpy.dtype.__new__"},
		"numpy testing":   {"cnumpy.testing._private.utils\nrunstring\n.", "numpy.testing"},
		"codecs decode":   {"c_codecs\ndecode\n.", "_codecs.decode"},
		"torch":           {"ctorch.storage\n_load_from_bytes\n.", "torch.storage._load_from_bytes"},
		"strange name":    {"\x80\x04\x8c\x03a\nb\x8c\x01c\x93.", `"a\nb.c"`},
		"only named":      {"c__main__\nX\n0N.", "__main__.X"},
		"collections":     {"ccollections\nnamedtuple\n.", "collections.namedtuple"},
		"builtin helpers": {"c__builtin__\n__import__\n.", "__builtin__.__import__"},
	} {
		_, err := Load([]byte(c.file), Options{})
		if !errors.Is(err, ErrNotAllowed) || !strings.Contains(err.Error(), "pickle names the class "+c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %s", name, err, c.want)
		}
	}
}

func TestDamaged(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"empty":                     {"", "truncated"},
		"no stop":                   {"N", "truncated"},
		"text":                      {"Hello", "opcode 0x48"},
		"stack":                     {".", "stops at byte 0"},
		"too many values":           {"NN.", "values too many"},
		"open mark":                 {"N(.", "values too many"},
		"string of 4 GiB":           {"X\xff\xff\xff\xff", "truncated"},
		"bytes of 2^64":             {"\x8e\xff\xff\xff\xff\xff\xff\xff\xff", "truncated"},
		"frame too long":            {"\x80\x04\x95\xff\x00\x00\x00\x00\x00\x00\x00N.", "truncated"},
		"protocol 9":                {"\x80\x09N.", "protocol 9"},
		"memo":                      {"h\x01.", "not in the memo"},
		"extension":                 {"\x82\x01.", "opcode 0x82"},
		"out of band":               {"\x97.", "opcode 0x97"},
		"persistent":                {"NQ.", "outside the pickle"},
		"persistent text":           {"Pid\n.", "outside the pickle"},
		"append to a tuple":         {")Na.", "appended to a tuple"},
		"append to a dict":          {"}Na.", "appended to a dict"},
		"item of a list":            {"]NNs.", "item is set in a list"},
		"item of text":              {"X\x01\x00\x00\x00aNNs.", "item is set in a str"},
		"add to a list":             {"\x80\x04](N\x90.", "added to a list"},
		"add to a frozenset":        {"\x80\x04(\x91(N\x90.", "added to a set"},
		"state of a list":           {"]}b.", "a list is given a state"},
		"state of a class":          {"c__builtin__\ndict\n}b.", "a class is given a state"},
		"call of text":              {"X\x01\x00\x00\x00a)R.", "a str is called"},
		"arguments":                 {"c__builtin__\ndict\nNR.", "arguments are a None"},
		"keywords":                  {"\x80\x04\x8c\x08builtins\x8c\x04dict\x93)}NNs\x92.", "keyword"},
		"mark under a value":        {"](a.", "missing on the stack"},
		"no mark":                   {"e.", "mark is missing"},
		"unhashable":                {"}]Ns.", "a list cannot be a key"},
		"odd items":                 {"}(Nu.", "key without a value"},
		"bad int":                   {"Ix\n.", "bad int"},
		"bad float":                 {"Fx\n.", "bad float"},
		"bad string":                {"Sx\n.", "bad string"},
		"bad escape":                {"V\\u12\n.", "bad escape"},
		"bad memo number":           {"Np-1\n.", "bad number"},
		"int of many digits":        {"I" + strings.Repeat("9", 5000) + "\n.", "int of 5000 digits"},
		"long of many bytes":        {"\x8b\x00\x10\x00\x00" + strings.Repeat("\x11", 4096) + ".", "int of 4096 bytes"},
		"class of numbers":          {"\x80\x04NN\x93.", "not named by two strings"},
		"called int":                {"c__builtin__\nint\n)R.", "unusual way"},
		"dict of text":              {"c__builtin__\ndict\nX\x01\x00\x00\x00a\x85R.", "unusual arguments"},
		"not Latin-1":               {"c_codecs\nencode\nX\x03\x00\x00\x00漢X\x06\x00\x00\x00latin1\x86R.", "not Latin-1"},
		"other codec":               {"c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00hex\x86R.", "unusual arguments"},
		"array built twice":         {arrayPickle("(K\x01(K\x02t" + f4 + "\x89C\x08\x00\x00\x00\x00\x00\x00\x00\x00tb(K\x01(K\x02t" + f4 + "\x89C\x08\x00\x00\x00\x00\x00\x00\x00\x00tb"), "built twice"},
		"array of 2^62":             {arrayPickle("(K\x01(\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x40t" + f4 + "\x89C\x00tb"), "does not fit 0 bytes"},
		"array with negative shape": {arrayPickle("(K\x01(J\xff\xff\xff\xfft" + f4 + "\x89C\x00tb"), "negative"},
		"array of wrong size":       {arrayPickle("(K\x01(K\x03t" + f4 + "\x89C\x04\x00\x00\x00\x00tb"), "does not fit 4 bytes"},
		"array with bad state":      {arrayPickle("Nb"), "state of an array"},
		"array with text shape":     {arrayPickle("(K\x01(Nt" + f4 + "\x89C\x00tb"), "shape of an array"},
		"after the end":             {"N.N", "ends at byte 2 of 3"},
	} {
		_, err := Load([]byte(c.file), Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

// f4 is a dtype.
const f4 = "cnumpy\ndtype\nX\x02\x00\x00\x00f4\x89\x88\x87R"

func arrayPickle(build string) string {
	return "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R" + build + "."
}

// TestBombs: small pickles that unfold into very much when followed carelessly.
func TestBombs(t *testing.T) {
	nested := "N" + strings.Repeat("\x85", 200_000) + "."
	if _, err := Load([]byte(nested), Options{}); err != nil {
		t.Errorf("a deep tuple: %v", err)
	}
	asKey := "}N" + strings.Repeat("\x85", 200_000) + "Ns."
	if _, err := Load([]byte(asKey), Options{}); err == nil || !strings.Contains(err.Error(), "too deeply") {
		t.Errorf("a deep key: %v", err)
	}
	doubling := "}N" + strings.Repeat("2\x86", 64) + "Ns."
	if _, err := Load([]byte(doubling), Options{}); err == nil || !strings.Contains(err.Error(), "key") {
		t.Errorf("a key of 2^64 parts: %v", err)
	}
	deep, err := Load([]byte(nested), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Marshal(deep, nil); err == nil || !strings.Contains(err.Error(), "too deeply") {
		t.Errorf("a deep tuple was written: %v", err)
	}
}

func TestPersistentAndOpaqueObjects(t *testing.T) {
	thing := Class{"lab.models", "Thing"}
	object := &Object{Class: thing, Args: Tuple{"a"}, New: true}
	object.State = NewDict("self", object, "layer", Persistent{Tuple{"storage", "0"}})
	object.Items = NewDict("k", "v")
	object.Elements = []any{int64(1)}
	file, err := Marshal(object, nil)
	if err != nil {
		t.Fatal(err)
	}
	var ids []any
	v, err := Load(file, Options{
		Find: func(c Class) (Constructor, error) {
			if c == thing {
				return nil, nil
			}
			return nil, errors.New("no")
		},
		Persistent: func(id any) (any, error) { ids = append(ids, id); return "loaded", nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	got := v.(*Object)
	self, _ := got.Attr("self")
	layer, _ := got.Attr("layer")
	if self != v || layer != "loaded" || got.Class != thing || !got.New || got.Items.Len() != 1 || got.Elements[0] != int64(1) {
		t.Errorf("object %+v", got)
	}
	if !cmp.Equal(ids, []any{Tuple{"storage", "0"}}) {
		t.Errorf("ids %v", ids)
	}
	if _, ok := got.Attr("none"); ok {
		t.Error("an attribute that is not there")
	}
	slots := &Object{State: Tuple{nil, NewDict("x", true)}}
	if x, ok := slots.Attr("x"); !ok || x != true {
		t.Error("slots are not found")
	}
}

func TestDict(t *testing.T) {
	d := NewDict("a", 1, "b", 2, "c", 3)
	d.Delete("b")
	d.Delete("none")
	d.SetString("a", 4)
	d.SetString("d", 5)
	if strings.Join(d.Keys(), "") != "acd" || d.Len() != 3 {
		t.Errorf("keys %v", d.Keys())
	}
	for _, key := range []string{"a", "c", "d"} {
		if _, ok := d.Get(key); !ok {
			t.Errorf("%s is lost", key)
		}
	}
	if v, _ := d.Get("a"); v != 4 {
		t.Errorf("a is %v", v)
	}
	if _, ok := d.Get(&List{}); ok || d.Set(&List{}, 1) == nil {
		t.Error("a list is a key")
	}
}

func TestUnwritable(t *testing.T) {
	for name, v := range map[string]any{
		"channel":    make(chan int),
		"map":        map[string]int{},
		"bad class":  Class{"a\nb", "c"},
		"bad array":  &ndarray.Array{DType: ndarray.Float32, Shape: []int{3}},
		"huge int":   new(big.Int).Lsh(big.NewInt(1), 5000),
		"inner":      []any{NewDict("a", make(chan int))},
		"bfloat16":   &ndarray.Array{DType: ndarray.BFloat16, Shape: []int{0}},
		"in a tuple": Tuple{struct{}{}},
	} {
		if _, err := Marshal(v, nil); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, file := range python(f) {
		f.Add(file)
	}
	f.Add([]byte("cos\nsystem\n(S'id'\ntR."))
	f.Add([]byte(arrayPickle("(K\x01(K\x02t" + f4 + "\x89C\x08\x00\x00\x00\x00\x00\x00\x00\x00tb")))
	anything := Options{
		Find:       func(Class) (Constructor, error) { return nil, nil },
		Persistent: func(id any) (any, error) { return Persistent{id}, nil },
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		v, err := Load(b, anything)
		if err == nil {
			if again, err := Marshal(v, nil); err == nil {
				if _, err := Load(again, anything); err != nil {
					t.Fatalf("what was written is not read: %v", err)
				}
			}
		}
		elapsed := time.Since(start)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(64<<20+100*len(b)) {
			t.Errorf("%d bytes of input take %d bytes of memory", len(b), used)
		}
		if elapsed > time.Second {
			t.Errorf("%d bytes of input take %v", len(b), elapsed)
		}
	})
}
