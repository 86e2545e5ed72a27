// A Node.js peer on all cores: a primary that restarts nothing, and one worker for each
// core, which share a port. Arguments: -addr HOST:PORT -dsn URL -pool-conns N (of a worker).
import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'

const known = { addr: '127.0.0.1:8080', dsn: '', 'pool-conns': '10' }

// options reads the arguments, which have one dash as those of Go's flag package.
function options() {
  const args = process.argv.slice(2).map((a) => a.replace(/^-(?=[a-z])/, '--'))
  const given = parseArgs({
    args,
    options: Object.fromEntries(Object.entries(known).map(([name, value]) => [name, { type: 'string', default: value }])),
  }).values
  const colon = given.addr.lastIndexOf(':')
  return {
    dsn: given.dsn,
    connections: Number(given['pool-conns']),
    host: given.addr.slice(0, colon),
    port: Number(given.addr.slice(colon + 1)),
  }
}

// primary forks the workers, and says where they serve when all of them do.
function primary() {
  const workers = availableParallelism()
  let listening = 0
  for (let i = 0; i < workers; i++) cluster.fork()
  cluster.on('listening', (_, address) => {
    if (++listening === workers) console.error(`serving: http://${address.address}:${address.port}/`)
  })
  let ending = false
  cluster.on('exit', (worker, code, signal) => {
    if (ending) return
    console.error(`worker ${worker.process.pid} ended: ${signal ?? code}`)
    process.exit(1)
  })
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      ending = true
      for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGTERM')
    })
  }
}

// serve runs a peer. In a worker, build sets a server up, and returns what ends it.
export async function serve(build) {
  if (cluster.isPrimary) return primary()
  const { dsn, connections, host, port } = options()
  const server = createServer()
  const close = await build({ dsn, connections, server })
  server.listen(port, host)
  process.on('SIGTERM', () => {
    server.close(async () => {
      await close()
      process.exit(0)
    })
    server.closeIdleConnections()
  })
  process.on('SIGINT', () => {}) // The primary says when to end.
}
