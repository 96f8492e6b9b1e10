// Command dashboards writes deploy/grafana/dashboards from the table below: "make generate" runs it, and a test says when
// what is committed is something else.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// panel is a picture of one or more expressions.
type panel struct {
	title, help string
	unit        string // of Grafana: short, s, Bps, percentunit, …
	kind        string // "timeseries" unless it says otherwise
	width       int    // of 24
	lines       []line
}

type line struct{ expr, legend string }

// row is a headline with panels below it.
type row struct {
	title  string
	panels []panel
}

// Expressions name $job and $node, which the dashboard lets one choose.
const of = `{job="$job", instance=~"$node"`

func quantile(q, metric, more, by string) string {
	return fmt.Sprintf(`histogram_quantile(%s, sum by (le%s) (rate(%s_bucket%s%s}[$__rate_interval])))`, q, by, metric, of, more)
}

func rate(metric, more, by string) string {
	return fmt.Sprintf(`sum by (%s) (rate(%s%s%s}[$__rate_interval]))`, by, metric, of, more)
}

func sum(metric, more, by string) string {
	return fmt.Sprintf(`sum by (%s) (%s%s%s})`, by, metric, of, more)
}

var overview = []row{
	{"Are prices fresh", []panel{
		{"Live ticks on time", "Share of live cuts and frames within 50 ms in the last hour; the objective is 99.9 %", "percentunit", "stat", 4, []line{
			{`1 - feedd:slow_hops:ratio_rate1h{job="$job"}`, ""}}},
		{"Sources not believed", "Sources that are silent, or whose publisher has ended", "short", "stat", 4, []line{{`max by (job) (feedd_sources_suspect` + of + `})`, ""}}},
		{"Nodes without NATS", "", "short", "stat", 4, []line{{`count(feedd_nats_connected` + of + `} == 0) or vector(0)`, ""}}},
		{"Clients", "", "short", "stat", 4, []line{{sum("feedd_connections", "", "job"), ""}}},
		{"Ticks a second", "", "short", "stat", 4, []line{{rate("feedd_ingest_ticks_total", "", "job"), ""}}},
		{"Sent", "", "Bps", "stat", 4, []line{{rate("feedd_bytes_sent_total", "", "job"), ""}}},
		{"Exchange to feedd", "Age of the newest tick of each batch when it came in", "s", "", 8, []line{
			{quantile("0.5", "feedd_tick_age_seconds", `, stage="ingest"`, ""), "half"},
			{quantile("0.99", "feedd_tick_age_seconds", `, stage="ingest"`, ""), "99 %"}}},
		{"feedd to cut, by cadence", "Age of the oldest quote of each cut, 99 %; no more than the cadence while all is well", "s", "", 8, []line{
			{quantile("0.99", "feedd_tick_age_seconds", `, stage="cut"`, ", cadence"), "{{cadence}}"}}},
		{"Cut to socket", "The most that a frame waited behind its cut", "s", "", 8, []line{
			{quantile("0.5", "feedd_tick_age_seconds", `, stage="socket"`, ""), "half"},
			{quantile("0.99", "feedd_tick_age_seconds", `, stage="socket"`, ""), "99 %"}}},
		{"Lateness of cuts", "How far cuts come behind their beat, 99 %", "s", "", 8, []line{
			{quantile("0.99", "feedd_cut_lateness_seconds", "", ", instance"), "{{instance}}"}}},
		{"Conflation", "Ticks merged into later rows, over all clients", "short", "", 8, []line{{rate("feedd_conflated_total", "", "instance"), "{{instance}}"}}},
		{"Since a source was heard", "", "s", "", 8, []line{{`min by (source) (time() - (feedd_source_heard_timestamp_seconds` + of + `} > 0))`, "{{source}}"}}},
	}},
	{"Clients", []panel{
		{"Connections", "", "short", "", 6, []line{{sum("feedd_connections", "", "instance"), "{{instance}}"}}},
		{"Connections by transport", "What they run over, and the version of HTTP that they began over. Those over HTTP streams and polls are most often behind proxies that let no WebSocket through",
			"short", "", 6, []line{{sum("feedd_transport_connections", "", "transport, http") + " > 0", "{{transport}}, HTTP/{{http}}"}}},
		{"Begun and ended a second", "", "short", "", 6, []line{
			{rate("feedd_connections_opened_total", "", "job"), "begun"}, {rate("feedd_connections_closed_total", "", "code"), "ended {{code}}"}}},
		{"Refused a second, by status", "", "short", "", 6, []line{{rate("feedd_handshake_rejected_total", "", "status"), "{{status}}"}}},
		{"Subscriptions by cadence", "As granted", "short", "", 8, []line{{sum("feedd_subscriptions", "", "cadence"), "{{cadence}}"}}},
		{"Slow clients a second", "", "short", "", 8, []line{{rate("feedd_slow_clients_total", "", "action"), "{{action}}"}}},
		{"Bytes that wait for clients", "", "bytes", "", 8, []line{{sum("feedd_send_queue_bytes", "", "instance"), "{{instance}}"}}},
		{"Sent", "", "Bps", "", 8, []line{{rate("feedd_bytes_sent_total", "", "instance"), "{{instance}}"}}},
		{"Frames a second", "", "short", "", 8, []line{{rate("feedd_frames_sent_total", "", "instance"), "{{instance}}"}}},
		{"Compression", "Size after as a share of before, of frames that were compressed, and the time it takes", "percentunit", "", 8, []line{
			{rate("feedd_deflate_output_bytes_total", "", "job") + " / " + rate("feedd_deflate_input_bytes_total", "", "job"), "size"},
			{rate("feedd_deflate_seconds_total", "", "instance"), "time, {{instance}}"}}},
	}},
	{"The feed", []panel{
		{"Ticks a second, by channel", "", "short", "", 8, []line{{rate("feedd_ingest_ticks_total", "", "channel"), "{{channel}}"}}},
		{"What is wrong with numbers, a second", "", "short", "", 8, []line{{rate("feedd_ingest_gaps_total", "", "kind"), "{{kind}}"}}},
		{"Waiting behind gaps", "", "short", "", 8, []line{{sum("feedd_ingest_held_trades", "", "instance"), "{{instance}}"}}},
		{"Dropped a second, by reason", "", "short", "", 16, []line{{rate("feedd_dropped_total", "", "reason") + " > 0", "{{reason}}"}}},
		{"NATS connections made again", "", "short", "", 8, []line{{`increase(feedd_nats_reconnects_total` + of + `}[$__rate_interval])`, "{{instance}}"}}},
	}},
	{"Nodes", []panel{
		{"Nodes that are heard", "Of each node: itself and the others that it hears of over NATS. Lines that differ are a NATS cluster in parts", "short", "", 6, []line{
			{"1 + " + sum("feedd_nodes", `, state="heard"`, "instance"), "{{instance}}"}}},
		{"What is wrong with nodes", "As the node that sees most of it says: silent (not heard any more, and they did not drain), strange (another revision), namesakes, clock_off; and draining, which is as it should be",
			"short", "", 6, []line{{`max by (state) (feedd_nodes` + of + `, state!="heard"}) > 0`, "{{state}}"}}},
		{"Nodes by version", "", "short", "", 6, []line{{`count by (version) (feedd_build_info` + of + `})`, "{{version}}"}}},
		{"Nodes that take clients", "Those that neither drain nor refuse for overload", "short", "", 6, []line{
			{`count((feedd_draining` + of + `} + on (instance) feedd_admission_refusing` + of + `}) == 0) or vector(0)`, "nodes"}}},
		{"Load", "0 open, 1 refuses connections, 2 slower rows, 3 sends sessions away", "short", "", 6, []line{{sum("feedd_admission_state", "", "instance"), "{{instance}}"}}},
		{"Live memory of its limit", "", "percentunit", "", 6, []line{
			{`feedd_memory_live_bytes` + of + `} / (feedd_memory_limit_bytes` + of + `} > 0)`, "{{instance}}"}}},
		{"Processor", "", "percentunit", "", 6, []line{{sum("feedd_processor_ratio", "", "instance"), "{{instance}}"}}},
		{"Resident memory", "", "bytes", "", 6, []line{{sum("process_resident_memory_bytes", "", "instance"), "{{instance}}"}}},
		{"Goroutines", "", "short", "", 6, []line{{sum("go_goroutines", "", "instance"), "{{instance}}"}}},
		{"Open files", "", "short", "", 6, []line{{sum("process_open_fds", "", "instance"), "{{instance}}"}}},
		{"Policy in force", "Its revision: all nodes should have the same", "short", "", 6, []line{{sum("feedd_policy_rev", "", "instance"), "{{instance}}"}}},
		{"Age of the last checkpoint", "", "s", "", 6, []line{{`time() - (feedd_checkpoint_timestamp_seconds` + of + `} > 0)`, "{{instance}}"}}},
	}},
}

// object is a piece of JSON.
type object = map[string]any

func datasource() object { return object{"type": "prometheus", "uid": "${datasource}"} }

func (p *panel) json(id, x, y int) object {
	kind := p.kind
	if kind == "" {
		kind = "timeseries"
	}
	targets := []object{}
	for i, l := range p.lines {
		targets = append(targets, object{"refId": string(rune('A' + i)), "datasource": datasource(), "expr": l.expr, "legendFormat": l.legend})
	}
	height := 8
	if kind == "stat" {
		height = 4
	}
	return object{
		"id": id, "type": kind, "title": p.title, "description": p.help, "datasource": datasource(), "targets": targets,
		"gridPos":     object{"x": x, "y": y, "w": p.width, "h": height},
		"fieldConfig": object{"defaults": object{"unit": p.unit, "min": 0, "custom": object{"fillOpacity": 8, "showPoints": "never"}}, "overrides": []any{}},
		"options":     object{"legend": object{"displayMode": "list", "placement": "bottom"}, "tooltip": object{"mode": "multi", "sort": "desc"}},
	}
}

// build lays rows out in Grafana's grid.
func build(uid, title string, rows []row) object {
	panels, id, y := []object{}, 0, 0
	for _, r := range rows {
		id++
		panels = append(panels, object{"id": id, "type": "row", "title": r.title, "collapsed": false, "panels": []any{}, "gridPos": object{"x": 0, "y": y, "w": 24, "h": 1}})
		y++
		x, tallest := 0, 0
		for i := range r.panels {
			p := &r.panels[i]
			if x+p.width > 24 {
				x, y, tallest = 0, y+tallest, 0
			}
			id++
			made := p.json(id, x, y)
			panels = append(panels, made)
			x, tallest = x+p.width, max(tallest, made["gridPos"].(object)["h"].(int))
		}
		y += tallest
	}
	variable := func(name, label, query string, multi bool) object {
		return object{
			"name": name, "label": label, "type": "query", "datasource": datasource(), "query": object{"query": query, "refId": name}, "definition": query,
			"refresh": 2, "multi": multi, "includeAll": multi, "allValue": ".*", "sort": 1,
		}
	}
	return object{
		"uid": uid, "title": title, "tags": []string{"feedd"}, "schemaVersion": 39, "version": 1, "editable": true, "refresh": "10s", "timezone": "",
		"time": object{"from": "now-1h", "to": "now"}, "graphTooltip": 1, "panels": panels, "annotations": object{"list": []any{}}, "links": []any{},
		"templating": object{"list": []object{
			{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
			variable("job", "Job", "label_values(feedd_build_info, job)", false),
			variable("node", "Node", `label_values(feedd_build_info{job="$job"}, instance)`, true),
		}},
	}
}

// dashboards are all there are, by file name.
func dashboards() map[string]object {
	return map[string]object{"feedd.json": build("feedd", "feedd", overview)}
}

func encode(o object) ([]byte, error) {
	b, err := json.MarshalIndent(o, "", "  ")
	return append(b, '\n'), err
}

func run(dir string) error {
	for name, o := range dashboards() {
		b, err := encode(o)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: dashboards DIRECTORY")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
