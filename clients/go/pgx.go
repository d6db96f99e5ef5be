// pgx on Sluice: parameters, types, a pool, COPY into a table, an error. go run . [port]      (after clients/sql/known.sql)
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

type window struct {
	Start  time.Time `db:"window_start"`
	Type   string    `db:"event_type"`
	Events int64     `db:"events"`
}

func main() {
	log.SetFlags(0)
	port := "5455"
	if len(os.Args) > 1 {
		port = os.Args[1]
	}
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, "postgres://sluice@127.0.0.1:"+port+"/sluice?sslmode=prefer")
	check(err)
	defer pool.Close()
	check(pool.Ping(ctx))
	windows(ctx, pool)
	types(ctx, pool)
	together(ctx, pool)
	copied(ctx, pool)
	failure(ctx, pool)
	fmt.Println("pgx " + version())
}

// Rows as structs, by a parameter of type time.
func windows(ctx context.Context, pool *pgxpool.Pool) {
	rows, err := pool.Query(ctx, `
		SELECT window_start, event_type, sum(event_count)::bigint AS events
		FROM gold.real_time_metrics WHERE window_start < $1 AND event_type = $2
		GROUP BY window_start, event_type ORDER BY window_start`,
		time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), "page_view")
	check(err)
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[window])
	check(err)
	var events int64
	for _, w := range found {
		events += w.Events
	}
	same(13122, events)
	same(time.Date(2025, 12, 31, 23, 59, 0, 0, time.UTC), found[0].Start.UTC())
}

func types(ctx context.Context, pool *pgxpool.Pool) {
	var (
		customer, amount string
		exact            pgtype.Numeric
		weight           float64
		pieces           int32
		paid             *bool
		at, day          time.Time
	)
	one := pool.QueryRow(ctx, "SELECT customer, amount, amount::text, weight, pieces, paid, placed_at, day FROM gold.orders WHERE id = $1", 4)
	check(one.Scan(&customer, &exact, &amount, &weight, &pieces, &paid, &at, &day))
	same("it's ä", customer)
	same("0.99", amount)
	same(int64(99), exact.Int.Int64())
	same(-0.5, weight)
	same(int32(0), pieces)
	same(true, paid == nil)
	same(time.Date(2026, 1, 2, 23, 59, 59, 0, time.UTC), at.UTC())
	same("2026-01-02", day.Format(time.DateOnly))
}

// Eight connections at once.
func together(ctx context.Context, pool *pgxpool.Pool) {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			var events int64
			check(pool.QueryRow(ctx, "SELECT sum(event_count)::bigint FROM gold.real_time_metrics").Scan(&events))
			same(60000, events)
		})
	}
	all.Wait()
}

func copied(ctx context.Context, pool *pgxpool.Pool) {
	run(ctx, pool, "DROP TABLE IF EXISTS public.from_go")
	run(ctx, pool, "CREATE TABLE public.from_go (id BIGINT, at TIMESTAMPTZ, note TEXT)")
	var rows [][]any
	for i := range 1000 {
		rows = append(rows, []any{int64(i), time.Unix(int64(i), 0), fmt.Sprint("note ", i)})
	}
	count, err := pool.CopyFrom(ctx, pgx.Identifier{"public", "from_go"}, []string{"id", "at", "note"}, pgx.CopyFromRows(rows))
	check(err)
	same(1000, count)
	batch := &pgx.Batch{}
	batch.Queue("DELETE FROM public.from_go WHERE id >= $1", 900)
	batch.Queue("SELECT count(*), max(note) FROM public.from_go WHERE at < $1", time.Unix(500, 0))
	results := pool.SendBatch(ctx, batch)
	tag, err := results.Exec()
	check(err)
	same(100, tag.RowsAffected())
	var left int64
	var note string
	check(results.QueryRow().Scan(&left, &note))
	check(results.Close())
	same(500, left)
	same("note 99", note)
	run(ctx, pool, "DROP TABLE public.from_go")
}

func run(ctx context.Context, pool *pgxpool.Pool, sql string) {
	_, err := pool.Exec(ctx, sql)
	check(err)
}

func failure(ctx context.Context, pool *pgxpool.Pool) {
	_, err := pool.Exec(ctx, "SELECT * FROM gold.nowhere")
	var told *pgconn.PgError
	if !errors.As(err, &told) {
		log.Fatalf("no error: %v", err)
	}
	same("42P01", told.Code)
	short, stop := context.WithTimeout(ctx, 200*time.Millisecond)
	defer stop()
	_, err = pool.Exec(short, "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b WHERE a * b % 7 = 3")
	same(true, errors.Is(err, context.DeadlineExceeded))
	check(pool.Ping(ctx))
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/jackc/pgx/v5" {
			return module.Version
		}
	}
	return "?"
}

func same[T comparable](expected, found T) {
	if expected != found {
		log.Fatalf("expected %v, found %v", expected, found)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
