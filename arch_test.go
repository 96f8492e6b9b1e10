package feedd

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/feedd/feedd"

// A pattern is a package's path, or "./" and the path below the module where it is ours; "x/..." is x and
// all below it.

// forbidden says what packages must not reach, through whatever they import, and why.
var forbidden = []struct {
	packages []string
	never    []string
	why      string
}{
	{
		[]string{"./market"}, []string{"./..."},
		"the vocabulary is what all others share, so it can depend on none of them",
	},
	{
		[]string{"./proto/..."}, []string{"./market", "./internal/...", "./ingest/...", "./publish", "./snapshot", "./fanout", "./session"},
		"proto holds schemas and what is generated from them, no code by hand",
	},
	{
		[]string{"./internal/wire"}, []string{"net", "./proto/...", "./ingest/...", "./snapshot", "./fanout", "./session"},
		"rows are bytes from values; the generated code is what the tests hold them against",
	},
	{
		[]string{"./internal/book", "./internal/bars"}, []string{"./internal/...", "./proto/...", "./ingest/...", "./snapshot", "./fanout", "./session", "net"},
		"a book and bars are arithmetic; publishers, the state and benchmarks share them for that",
	},
	{
		[]string{"./internal/checkpoint"}, []string{"./market", "./proto/...", "./ingest/...", "./snapshot", "./fanout", "./session", "net"},
		"the file keeps bytes whole, whatever they mean",
	},
	{
		[]string{"./throttle"}, []string{"./internal/...", "./proto/...", "./ingest/...", "./snapshot", "./fanout", "./session", "net"},
		"a policy is data, and resolving a wish a pure function of it",
	},
	{
		[]string{"./policy"}, []string{"./proto/...", "./ingest/...", "./snapshot", "./fanout", "./session", "./transport/...", "net", "github.com/nats-io/nats.go/..."},
		"a policy is read and judged the same way on every node, in the command line and in tests: it is text in and values out",
	},
	{
		[]string{"./fleet"}, []string{"./proto/...", "./ingest/...", "./snapshot", "./fanout", "./session", "./transport/...", "./admin/..."},
		"what nodes say of their load is plain values; who measures it and who acts on it are others",
	},
	{
		[]string{"./entitlement"}, []string{"./internal/...", "./proto/...", "./throttle", "./auth", "./session", "net"},
		"who somebody is and what that one may have are plain values, whoever found it out",
	},
	{
		[]string{"./usage"}, []string{"./proto/...", "./auth", "./snapshot", "./fanout", "./session", "./transport/...", "./ingest/...", "net"},
		"counting is arithmetic over lines; who holds what is told from outside",
	},
	{
		[]string{"./auth"}, []string{"./snapshot", "./fanout", "./session", "./transport/...", "./ingest/..."},
		"whether a token is good has nothing to do with what is sent for it",
	},
	{
		[]string{"./policy/live"}, []string{"./proto/...", "./ingest/...", "./snapshot", "./fanout", "./session", "./transport/..."},
		"it puts policies in force; who follows them, and how, is none of its business",
	},
	{
		[]string{"./internal/outgoing", "./internal/outbox", "./internal/outlet", "./internal/guard", "./internal/inbox"}, []string{"./market", "./proto/...", "./snapshot", "./fanout", "./session", "github.com/lxzan/gws"},
		"they know bytes and sockets, not what is in the frames, so that any protocol can lie on top",
	},
	{
		[]string{"./internal/extendedconnect"}, []string{"./...", "net", "net/http"},
		"it must be initialised ahead of net/http, which reads there what it writes",
	},
	{
		[]string{"./ingest/..."}, []string{"./snapshot", "./fanout", "./session", "./transport/..."},
		"ingest feeds a Sink that it defines itself; who takes the ticks is none of its business",
	},
	{
		[]string{"./publish"}, []string{"./ingest/...", "./snapshot", "./fanout", "./session", "./transport/...", "github.com/nats-io/nats-server/v2/..."},
		"publishers link this package into programs of their own and should get only what they use",
	},
	{
		[]string{"./snapshot"}, []string{"net", "github.com/nats-io/nats.go/...", "./ingest/...", "./fanout", "./session", "./proto/..."},
		"the state of the market is plain memory: where ticks come from and rows go to is told from outside",
	},
	{
		[]string{"./fanout"}, []string{"net/http", "github.com/lxzan/gws", "github.com/nats-io/nats.go/...", "./proto/...", "./ingest/...", "./session", "./transport/..."},
		"the engine sends bytes to a Conn; a new transport or upstream must not touch it, and generated code is too slow for it",
	},
	{
		[]string{"./session"}, []string{"github.com/nats-io/nats.go/...", "github.com/lxzan/gws", "net/http", "./ingest/...", "./transport/..."},
		"the client protocol is a state machine that tests drive without a socket or an upstream",
	},
	{
		[]string{"./transport/..."}, []string{"github.com/nats-io/nats.go/...", "./ingest/...", "./sim", "./replay"},
		"what carries frames to clients must work whatever ticks come from",
	},
	{
		[]string{"./transport/conns", "./transport/gate", "./transport/carrier"}, []string{"./fanout", "./session", "./proto/...", "./transport/ws", "./transport/stream", "./transport/webtransport", "./transport/rest"},
		"all transports share them, so they can depend on none, nor on what clients say once they are in",
	},
	{
		[]string{"./admin/control"}, []string{"./ingest/...", "./snapshot", "./fanout", "./session", "./transport/...", "./policy/live", "github.com/nats-io/nats.go/..."},
		"it knows the form of policies; the node and its hold on them are passed in, so that a test needs neither",
	},
	{
		[]string{"./admin"}, []string{"./market", "./ingest/...", "./snapshot", "./fanout", "./session", "./transport/...", "github.com/nats-io/nats.go/..."},
		"figures and checks are passed in, so that metrics never hold up the parts that they tell of",
	},
	{
		[]string{"./internal/client/..."}, []string{"./internal/wire", "./snapshot", "./fanout", "./session", "./ingest/...", "./transport/..."},
		"the oracle of the tests must not share code with what it judges",
	},
	{
		[]string{"./sim", "./replay", "./internal/recording"}, []string{"./ingest/...", "./snapshot", "./fanout", "./session", "./transport/..."},
		"they are publishers like any other and reach feedd over NATS alone",
	},
	{
		[]string{"./internal/config"}, []string{"./market", "./ingest/...", "./snapshot", "./fanout", "./session", "./throttle", "./sim", "./admin", "./transport/...", "github.com/nats-io/nats.go/..."},
		"settings are plain values, which whoever wires the parts together turns into theirs",
	},
	{
		[]string{"./web"}, []string{"./..."},
		"the page is a client of the protocol; embedding it needs nothing of the server",
	},
}

// exclusive says who alone may import a package directly, and why.
var exclusive = []struct {
	pkg   string
	by    []string
	why   string
	tests bool // may import it as well
}{
	{"google.golang.org/protobuf/encoding/protowire", []string{"./internal/wire", "./ingest/...", "./publish"}, "hand-written protobuf stays where golden tests hold it", true},
	{"github.com/nats-io/nats-server/v2/...", []string{"./internal/natsserver", "./internal/rig/natsd"}, "the embedded server has one place that starts and stops it", true},
	{"./internal/rig/...", []string{"./internal/rig"}, "it breaks things: tests alone import it", true},
	{"github.com/prometheus/client_golang/...", []string{"./admin"}, "parts count in plain integers; turning them into metrics is admin's work", false},
	{"github.com/golang-jwt/jwt/v5", []string{"./auth"}, "one place decides which tokens are good", true},
	{"github.com/MicahParks/jwkset", []string{"./auth"}, "one place decides which keys are good", true},
	{"github.com/pires/go-proxyproto", []string{"./transport/listen"}, "one place decides whose word on addresses counts", true},
	{"go.opentelemetry.io/...", []string{"./internal/tracing", "./cmd/feedd"}, "what is worth a span is decided where parts are wired together", false},
	{"github.com/quic-go/...", []string{"./transport/webtransport"}, "QUIC is one transport's affair, and may become another library's", true},
	{"github.com/lxzan/gws", []string{"./internal/client"}, "it reads what the server writes, and so must share no code with it", true},
}

// listed is what "go list" tells of a package.
type listed struct {
	ImportPath, Dir           string
	GoFiles, Imports, Deps    []string
	TestImports, XTestImports []string
}

func packages(t *testing.T) (all []listed) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,GoFiles,Imports,Deps,TestImports,XTestImports", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p listed
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// matches reports whether an import path fits a pattern.
func matches(pattern, path string) bool {
	if ours, ok := strings.CutPrefix(pattern, "./"); ok {
		pattern = module + "/" + ours
	}
	base, below := strings.CutSuffix(pattern, "/...")
	return path == base || below && strings.HasPrefix(path, base+"/")
}

func matchesAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, path) })
}

func TestImportsFollowTheArrows(t *testing.T) {
	all := packages(t)
	direct := map[string][]string{}
	for _, p := range all {
		direct[p.ImportPath] = p.Imports
	}
	for _, rule := range forbidden {
		for _, p := range all {
			if !matchesAny(rule.packages, p.ImportPath) {
				continue
			}
			for _, dep := range p.Deps {
				if matchesAny(rule.never, dep) {
					t.Errorf("%s must not import %s: %s.\n\tIt does through %s.", short(p.ImportPath), short(dep), rule.why, through(direct, p.ImportPath, dep))
				}
			}
		}
	}
}

// through names the first step from one package to another, so that the message says where to look.
func through(direct map[string][]string, from, to string) string {
	seen := map[string]bool{}
	var reaches func(path string) bool
	reaches = func(path string) bool {
		if path == to {
			return true
		}
		if seen[path] {
			return false
		}
		seen[path] = true
		return slices.ContainsFunc(direct[path], reaches)
	}
	for _, step := range direct[from] {
		clear(seen)
		if reaches(step) {
			return short(step)
		}
	}
	return "a package outside the module"
}

func short(path string) string { return strings.TrimPrefix(path, module+"/") }

func TestSomeImportsBelongToFew(t *testing.T) {
	for _, p := range packages(t) {
		for _, rule := range exclusive {
			if matchesAny(rule.by, p.ImportPath) {
				continue
			}
			imports := p.Imports
			if !rule.tests {
				imports = slices.Concat(imports, p.TestImports, p.XTestImports)
			}
			for _, path := range imports {
				if matches(rule.pkg, path) {
					t.Errorf("%s imports %s, which is for %s alone: %s", short(p.ImportPath), path, strings.Join(rule.by, " and "), rule.why)
				}
			}
		}
	}
}

// pure packages read no clock and start no goroutine: time comes in as arguments, so that tests decide
// what time it is and nothing happens between two calls.
var pure = []string{
	"./market", "./internal/wire", "./internal/book", "./internal/bars", "./internal/subject", "./internal/guard", "./internal/recording", "./throttle", "./policy", "./ingest/tick", "./internal/overload",
	"./snapshot", "./session",
}

// clocks are what reads or waits for time.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

func TestPurePackagesHaveNoClockAndNoGoroutine(t *testing.T) {
	for _, p := range packages(t) {
		if !matchesAny(pure, p.ImportPath) {
			continue
		}
		files := token.NewFileSet()
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s: %s is pure: it must not start goroutines", files.Position(n.Pos()), short(p.ImportPath))
				case *ast.SelectorExpr:
					pkg, ok := n.X.(*ast.Ident)
					if ok && pkg.Name == "time" && slices.Contains(clocks, n.Sel.Name) {
						t.Errorf("%s: %s is pure: take the time as an argument instead of time.%s", files.Position(n.Pos()), short(p.ImportPath), n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// emptyWords say that something is there without saying what it is.
var emptyWords = []string{"Manager", "Processor", "Helper", "Util", "Utils", "Data", "Info"}

func TestTypesAreNamedByWhatTheyAre(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, ".pb.go"):
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			for _, word := range emptyWords {
				if strings.HasSuffix(strings.ToLower(spec.Name.Name), strings.ToLower(word)) {
					t.Errorf("%s: type %s: %q says nothing; name the thing", files.Position(spec.Pos()), spec.Name.Name, word)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
