// node-postgres on Sluice: parameters, types, a pool, a cursor, a stream of rows, an error, a query given up.
// npm install && node node_postgres.js [port]      (after clients/sql/known.sql)
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import pg from 'pg'
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'

const port = Number(process.argv[2] ?? 5455)
const pool = new pg.Pool({ host: '127.0.0.1', port, user: 'sluice', database: 'sluice', max: 4, statement_timeout: 60000 })

// a named statement is prepared once on each connection
const total = { name: 'total', text: 'SELECT sum(event_count) AS events FROM gold.real_time_metrics WHERE event_type = $1' }
for (let i = 0; i < 5; i++) {
  const { rows } = await pool.query({ ...total, values: ['page_view'] })
  assert.equal(Number(rows[0].events), 13122)
}

const { rows: [third, fourth] } = await pool.query('SELECT *, day::text AS day_text FROM gold.orders WHERE id = ANY($1) ORDER BY id', [[3, 4]])
assert.equal(third.id, '3')
assert.equal(third.amount, '100.00')
assert.equal(third.weight, 20)
assert.equal(third.pieces, 9)
assert.equal(third.paid, true)
assert.equal(third.placed_at.toISOString(), '2026-01-01T01:30:00.123Z')
assert.equal(third.day_text, '2026-01-01')
assert.equal(fourth.customer, "it's ä")
assert.equal(fourth.paid, null)

const client = await pool.connect()
const cursor = client.query(new Cursor('SELECT event_count FROM gold.real_time_metrics'))
let rows = 0
for (let some = await cursor.read(1000); some.length; some = await cursor.read(1000)) rows += some.length
await cursor.close()
assert.equal(rows, 11675)

let events = 0
for await (const row of client.query(new QueryStream('SELECT event_count FROM gold.real_time_metrics', [], { batchSize: 500 }))) events += Number(row.event_count)
assert.equal(events, 60000)
client.release()

await pool.query('DROP TABLE IF EXISTS public.from_node')
await pool.query('CREATE TABLE public.from_node (id BIGINT, at TIMESTAMPTZ, note TEXT)')
const inserted = await pool.query('INSERT INTO public.from_node VALUES ($1, $2, $3), ($4, $5, $6)', [1, new Date(0), 'a', 2, new Date(1000), null])
assert.equal(inserted.rowCount, 2)
const back = await pool.query('SELECT * FROM public.from_node ORDER BY id')
assert.deepEqual(back.rows, [{ id: '1', at: new Date(0), note: 'a' }, { id: '2', at: new Date(1000), note: null }])
await pool.query('DROP TABLE public.from_node')

await assert.rejects(pool.query('SELECT * FROM gold.nowhere'), { code: '42P01' })
const hurried = new pg.Client({ host: '127.0.0.1', port, user: 'sluice', database: 'sluice', statement_timeout: 2000 })
await hurried.connect()
await assert.rejects(hurried.query('SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b WHERE a * b % 7 = 3'), { code: '57014' })
assert.equal((await hurried.query('SELECT 1 AS one')).rows[0].one, 1)
await hurried.end()
await pool.end()
console.log('node-postgres ' + createRequire(import.meta.url)('pg/package.json').version)
