package build

import (
	"runtime/debug"
	"testing"
)

func TestVersionFromBuildInfo(t *testing.T) {
	setting := func(k, v string) debug.BuildSetting { return debug.BuildSetting{Key: k, Value: v} }
	for _, c := range []struct {
		name string
		info debug.BuildInfo
		want string
	}{
		{"installed by version", debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "v1.2.3"},
		{"built without a repository", debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "dev"},
		{"built from a commit", debug.BuildInfo{Settings: []debug.BuildSetting{
			setting("vcs.revision", "0123456789abcdef0123"), setting("vcs.modified", "false"),
		}}, "dev-0123456789ab"},
		{"built from a changed tree", debug.BuildInfo{Settings: []debug.BuildSetting{
			setting("vcs.revision", "0123456789abcdef0123"), setting("vcs.modified", "true"),
		}}, "dev-0123456789ab-dirty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := fromInfo(&c.info); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestLinkerVersionWins(t *testing.T) {
	defer func(old string) { version = old }(version)
	version = "v9.9.9"
	if got := Version(); got != "v9.9.9" {
		t.Errorf("got %q, want the linker's", got)
	}
}
