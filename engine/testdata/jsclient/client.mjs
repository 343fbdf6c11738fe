// Drives the front with the published client: node client.mjs URL TOKEN DATABASE
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { createClient } from '@clickhouse/client'

const [url, token, database] = process.argv.slice(2)
const writer = createClient({ url, username: 'trunkline', password: token, database })
const reader = createClient({ url, database, compression: { response: true } })
const packer = createClient({ url, username: 'trunkline', password: token, database, compression: { request: true, response: true } })

const ping = await reader.ping()
assert.ok(ping.success, String(ping.error))

await writer.command({ query: 'CREATE TABLE calls (id UInt32, site String, start DateTime64(3)) ENGINE = MergeTree ORDER BY id' })

const inserted = await writer.insert({
  table: 'calls',
  format: 'JSONEachRow',
  values: [{ id: 1, site: 'lyon', start: '2026-03-01 08:00:00.123' }, { id: 2, site: "l'île", start: '2026-03-01 08:00:01.000' }],
})
assert.equal(inserted.summary?.written_rows, '2')
await packer.insert({
  table: 'calls',
  format: 'JSONEachRow',
  values: Readable.from((function* () {
    for (let id = 3; id <= 10000; id++) yield { id, site: 'metz', start: '2026-03-01 09:00:00' }
  })()),
})

const json = await (await reader.query({
  query: 'SELECT id, site, start FROM calls WHERE site = {site:String} OR id IN {ids:Array(UInt32)} ORDER BY id',
  query_params: { site: "l'île", ids: [1, 2] },
  format: 'JSON',
})).json()
assert.equal(json.rows, 2)
assert.deepEqual(json.data[1], { id: 2, site: "l'île", start: '2026-03-01 08:00:01.000' })

let rows = 0
const stream = await reader.query({ query: 'SELECT * FROM calls', format: 'JSONCompactEachRow', query_id: 'js-stream' })
assert.equal(stream.query_id, 'js-stream')
for await (const batch of stream.stream()) rows += batch.length
assert.equal(rows, 10000)

const csv = await (await reader.query({ query: 'SELECT count() AS n FROM calls', format: 'CSVWithNames', clickhouse_settings: { output_format_csv_crlf_end_of_line: 1 } })).text()
assert.equal(csv, '"n"\r\n10000\r\n')

await assert.rejects(reader.query({ query: 'SELECT nosuch', format: 'JSON' }), { code: '47', type: 'UNKNOWN_IDENTIFIER' })
await assert.rejects(reader.command({ query: 'DROP TABLE calls' }), { code: '164', type: 'READONLY' })
await assert.rejects(
  createClient({ url, username: 'trunkline', password: 'wrong' }).query({ query: 'SELECT 1' }),
  { code: '516', type: 'AUTHENTICATION_FAILED' })

// An exception after rows were sent must not look like the end of them.
for (const [client, message] of [[writer, /throwIf/], [reader, /throwIf|aborted/]]) {
  await assert.rejects(async () => {
    const result = await client.query({ query: 'SELECT number, throwIf(number = 500000) FROM numbers(1000000)', format: 'JSONEachRow' })
    for await (const batch of result.stream()) rows += batch.length
  }, message)
}

await Promise.all([writer, reader, packer].map((c) => c.close()))
