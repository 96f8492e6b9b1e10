// Package build says which version of feedd this is.
package build

import "runtime/debug"

// version is set by the linker: -ldflags "-X github.com/feedd/feedd/internal/build.version=v1.2.3".
var version string

// Version returns the version that the linker was told, else the module's or the commit's, else
// "dev".
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	return fromInfo(info)
}

func fromInfo(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision, dirty := "", false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if revision == "" {
		return "dev"
	}
	revision = revision[:min(len(revision), 12)]
	if dirty {
		revision += "-dirty"
	}
	return "dev-" + revision
}
