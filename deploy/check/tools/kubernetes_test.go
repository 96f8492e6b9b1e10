package tools

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/feedd/feedd/deploy/check/manifests"
)

// kubernetes is the version that charts are rendered for.
const kubernetes = "1.34.0"

func render(t *testing.T, args ...string) string {
	t.Helper()
	return run(t, deploy, tool(t, "helm"), append([]string{"template", "feedd", "helm/feedd", "--kube-version", kubernetes}, args...)...)
}

func TestChart(t *testing.T) {
	run(t, deploy, tool(t, "helm"), "lint", "--strict", "helm/feedd")
	for name, args := range map[string][]string{
		"defaults":    nil,
		"fixed size":  {"--set", "autoscaling.enabled=false", "--set", "replicas=5"},
		"operators":   {"--set", "admin.tokensSecret.name=feedd-operators"},
		"open":        {"--set", "networkPolicy.enabled=false", "--set", "service.type=LoadBalancer", "--set-json", `service.annotations={"a":"b"}`},
		"picky":       {"--set-json", `nodeSelector={"disk":"fast"}`, "--set-json", `tolerations=[{"key":"a","operator":"Exists"}]`, "--set-json", `podAnnotations={"a":"b"}`},
		"another one": {"--set", "resources.memoryMiB=8192", "--set", "image.tag=1.2.3", "--set-json", `networkPolicy.publicFrom=[{"ipBlock":{"cidr":"10.0.0.0/8"}}]`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := manifests.Decode([]byte(render(t, args...))); err != nil {
				t.Error(err)
			}
		})
	}
	all := render(t, "--set", "tls.secret=feedd-tls", "--set", "tls.http2=true", "--set", "webtransport.enabled=true", "--set", "service.type=LoadBalancer",
		"--set", "service.sessionAffinity=ClientIP", "--set", "config.interest.mode=demand")
	if _, err := manifests.Decode([]byte(all)); err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		"mode: demand", "http2: true", "listen: 0.0.0.0:8443", "cert: /run/secrets/tls/tls.crt", "secretName: feedd-tls", "containerPort: 8443\n              protocol: UDP",
		"port: 443\n      protocol: UDP", "{port: webtransport, protocol: UDP}", "sessionAffinity: ClientIP",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("with TLS, HTTP/2, WebTransport and on demand: no %q", want)
		}
	}
	if out := render(t, "--set", "monitoring.enabled=true"); !strings.Contains(out, "kind: ServiceMonitor") {
		t.Error("no ServiceMonitor")
	}
	if out := render(t, "--set", "resources.memoryMiB=4096"); !strings.Contains(out, `value: "3481MiB"`) || !strings.Contains(out, "memory: 4096Mi") {
		t.Error("GOMEMLIMIT does not follow the limit of memory")
	}
}

func TestChartRefuses(t *testing.T) {
	for _, set := range []string{
		"image.tag=latest", "replicas=0", "replica=3", "resources.memoryMiB=10", "nats.servers[0]=nats://user:secret@nats:4222", "drain.withinSeconds=0",
	} {
		cmd := exec.CommandContext(t.Context(), tool(t, "helm"), "template", "feedd", "helm/feedd", "--kube-version", kubernetes, "--set", set)
		cmd.Dir = deploy
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "values don't meet the specifications") {
			t.Errorf("%s: %v\n%s", set, err, out)
		}
	}
}

// What needs a certificate says so, rather than that a pod says it over and over.
func TestChartNeedsACertificate(t *testing.T) {
	for _, set := range []string{"tls.http2=true", "webtransport.enabled=true"} {
		cmd := exec.CommandContext(t.Context(), tool(t, "helm"), "template", "feedd", "helm/feedd", "--kube-version", kubernetes, "--set", set)
		cmd.Dir = deploy
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "set tls.secret") {
			t.Errorf("%s: %v\n%s", set, err, out)
		}
	}
}

func TestKustomize(t *testing.T) {
	fresh := run(t, filepath.Join(deploy, ".."), "scripts/deploy-render", "--print")
	if have, err := os.ReadFile(filepath.Join(deploy, "kustomize/base/feedd.yaml")); err != nil || string(have) != fresh {
		t.Errorf("kustomize/base/feedd.yaml is not what the chart gives (%v): run make deploy-render", err)
	}
	for _, dir := range []string{"kustomize/base", "kustomize/overlays/production"} {
		if _, err := manifests.Decode([]byte(run(t, deploy, tool(t, "kustomize"), "build", dir))); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
}
