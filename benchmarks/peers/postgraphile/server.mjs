// The blog by PostGraphile 5.
import { postgraphile } from 'postgraphile'
import { makePgService } from 'postgraphile/adaptors/pg'
import { grafserv } from 'postgraphile/grafserv/node'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'
import { serve } from '../node/cluster.mjs'
import { blog, plainIds } from './blog.mjs'

await serve(async ({ dsn, connections, server }) => {
  const instance = postgraphile({
    extends: [PostGraphileAmberPreset],
    plugins: [blog, plainIds],
    disablePlugins: ['NodePlugin'], // The blog's IDs are those of the rows.
    pgServices: [makePgService({ connectionString: dsn, schemas: ['public'], poolConfig: { max: connections } })],
    // The blog's own fields stand in for the generated ones.
    schema: { defaultBehavior: '-* +table +select +attribute:select' },
    grafserv: { graphqlPath: '/graphql', graphiql: false, websockets: false, watch: false },
    grafast: { explain: false },
  })
  await instance.getSchema() // An error in it ends the worker before it serves.
  await instance.createServ(grafserv).addTo(server)
  return () => instance.release()
})
