// Sends what Grafana's PostgreSQL data source sends, the way it does, for the provisioning of clients/grafana: no Grafana is here.
//
// grafana PORT FOLDER: the data source and the dashboards of FOLDER, on PORT. Health check; variables; then each panel's text after
// macro expansion as one simple-protocol message over pgx, results as text, told apart by OID. A panel's answer must be a frame Grafana
// can draw. Prints one line of JSON: the frames by dashboard and panel.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"gopkg.in/yaml.v3"
)

type source struct {
	UID, Type, URL, User string
	JSONData             struct{ Database, Sslmode string } `yaml:"jsonData"`
}

type provisioning struct{ Datasources []source }

type datasource struct{ UID, Type string }

type target struct {
	Datasource     datasource
	Format, RawSQL string
	RawQuery       bool
}

type board struct {
	UID, Title string
	Templating struct {
		List []struct {
			Name, Query string
			Datasource  datasource
		}
	}
	Panels []struct {
		Title   string
		Targets []target
	}
}

// A frame as Grafana has it: names and kinds of the fields, rows as text.
type frame struct {
	Names []string    `json:"names"`
	Kinds []string    `json:"kinds"`
	Rows  [][]*string `json:"rows"`
}

var from = time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC)

func main() {
	ctx := context.Background()
	port, folder := os.Args[1], os.Args[2]
	var given provisioning
	check(yaml.Unmarshal(read(filepath.Join(folder, "provisioning/datasources/sluice.yaml")), &given))
	found := given.Datasources[0]
	pool, err := pgxpool.New(ctx, fmt.Sprintf("host=127.0.0.1 port=%s user=%s dbname=%s sslmode=%s",
		port, found.User, found.JSONData.Database, found.JSONData.Sslmode))
	check(err)
	defer pool.Close()
	check(pool.Ping(ctx)) // the text "-- ping"
	version := one(ask(ctx, pool, "SELECT current_setting('server_version_num')::int / 100 AS version"))
	if version != "1500" {
		fail("the version is %s", version)
	}
	frames := map[string]map[string]frame{}
	for _, name := range []string{"gold", "health"} {
		var b board
		check(json.Unmarshal(read(filepath.Join(folder, "dashboards", name+".json")), &b))
		frames[name] = panels(ctx, pool, b, found)
	}
	text, err := json.Marshal(map[string]any{"version": "pgx " + pgxVersion(), "frames": frames})
	check(err)
	fmt.Println(string(text))
}

func panels(ctx context.Context, pool *pgxpool.Pool, b board, s source) map[string]frame {
	values := map[string]string{}
	for _, variable := range b.Templating.List {
		same(variable.Datasource, s)
		var quoted []string
		for _, row := range ask(ctx, pool, variable.Query).Rows {
			quoted = append(quoted, "'"+strings.ReplaceAll(*row[0], "'", "''")+"'")
		}
		values[variable.Name] = strings.Join(quoted, ",")
	}
	frames := map[string]frame{}
	for _, panel := range b.Panels {
		for _, t := range panel.Targets {
			same(t.Datasource, s)
			answer := ask(ctx, pool, expand(t.RawSQL, values))
			if t.Format == "time_series" {
				if problem := series(answer); problem != "" {
					fail("%s: %s: %s", b.Title, panel.Title, problem)
				}
			}
			frames[panel.Title] = answer
		}
	}
	return frames
}

func same(d datasource, s source) {
	if d.UID != s.UID || d.Type != s.Type {
		fail("the data source is %v, provisioned is %s %s", d, s.UID, s.Type)
	}
}

// One message, whatever is in it; the result sets that have columns, appended.
func ask(ctx context.Context, pool *pgxpool.Pool, sql string) frame {
	c, err := pool.Acquire(ctx)
	check(err)
	defer c.Release()
	results, err := c.Conn().PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		fail("%v\n%s", err, sql)
	}
	return framed(results, sql)
}

func framed(results []*pgconn.Result, sql string) frame {
	f := frame{Rows: [][]*string{}}
	for _, result := range results {
		if len(result.FieldDescriptions) == 0 {
			continue
		}
		f.Names, f.Kinds = nil, nil
		for _, field := range result.FieldDescriptions {
			if field.Format != pgx.TextFormatCode {
				fail("not text: %s", sql)
			}
			f.Names = append(f.Names, field.Name)
			f.Kinds = append(f.Kinds, kind(field.DataTypeOID))
		}
		for _, row := range result.Rows {
			f.Rows = append(f.Rows, texts(row))
		}
	}
	return f
}

func texts(row [][]byte) []*string {
	var all []*string
	for _, value := range row {
		if value == nil {
			all = append(all, nil)
			continue
		}
		text := string(value)
		all = append(all, &text)
	}
	return all
}

// What Grafana makes of a type.
func kind(oid uint32) string {
	switch oid {
	case 21, 23, 20, 700, 701, 1700:
		return "number"
	case 16:
		return "boolean"
	case 1082, 1114, 1184:
		return "time"
	}
	return "text"
}

// Why a frame is no time series: it needs a column "time" in order, and a number.
func series(f frame) string {
	at, number := -1, false
	for i, name := range f.Names {
		if name == "time" {
			at = i
		} else if f.Kinds[i] == "number" {
			number = true
		}
	}
	if at < 0 || f.Kinds[at] == "text" || !number {
		return fmt.Sprintf("columns %v of kinds %v", f.Names, f.Kinds)
	}
	var last time.Time
	for _, row := range f.Rows {
		if row[at] == nil {
			return "a row without time"
		}
		now := moment(*row[at], f.Kinds[at])
		if now.Before(last) {
			return fmt.Sprintf("%v comes after %v", now, last)
		}
		last = now
	}
	return ""
}

// A numeric time is an epoch, in seconds here.
func moment(text, kind string) time.Time {
	if kind == "number" {
		seconds, err := strconv.ParseFloat(text, 64)
		check(err)
		return time.Unix(int64(seconds), 0)
	}
	at, err := time.Parse("2006-01-02 15:04:05.999999-07", text)
	check(err)
	return at
}

var macro = regexp.MustCompile(`\$__([a-zA-Z]+)\(([^)]*)\)`)

// The macros and variables of Grafana, for the two hours of the known events (system tables: up to now).
func expand(sql string, values map[string]string) string {
	sql = strings.ReplaceAll(sql, "$__interval", "1m")
	for name, value := range values {
		sql = strings.ReplaceAll(sql, "$"+name, value)
	}
	quote := func(t time.Time) string { return "'" + t.UTC().Format(time.RFC3339Nano) + "'" }
	return macro.ReplaceAllStringFunc(sql, func(call string) string {
		parts := macro.FindStringSubmatch(call)
		args := strings.Split(parts[2], ",")
		column := strings.TrimSpace(args[0])
		switch parts[1] {
		case "time":
			return column + ` AS "time"`
		case "timeFilter":
			return column + " BETWEEN " + quote(from) + " AND " + quote(time.Now())
		case "timeFrom":
			return quote(from)
		case "timeTo":
			return quote(time.Now())
		case "timeGroup", "timeGroupAlias":
			every, err := time.ParseDuration(strings.Trim(strings.TrimSpace(args[1]), "'"))
			check(err)
			group := fmt.Sprintf("floor(extract(epoch from %s)/%v)*%v", column, every.Seconds(), every.Seconds())
			if parts[1] == "timeGroupAlias" {
				group += ` AS "time"`
			}
			return group
		}
		fail("no macro %s", call)
		return ""
	})
}

func one(f frame) string { return *f.Rows[0][0] }

func read(path string) []byte {
	text, err := os.ReadFile(path)
	check(err)
	return text
}

func check(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}
