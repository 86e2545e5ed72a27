// The blog by graphql-yoga, with Drizzle and DataLoader.
import { readFileSync } from 'node:fs'
import { createSchema, createYoga } from 'graphql-yoga'
import { serve } from '../node/cluster.mjs'
import { open } from './store.mjs'
import { resolvers } from './resolvers.mjs'

const typeDefs = readFileSync(new URL('../../../examples/blog/schema/schema.graphql', import.meta.url), 'utf8')

await serve(async ({ dsn, connections, server }) => {
  const store = open(dsn, connections)
  // Yoga caches parsed and validated documents, and masks errors, by default.
  const yoga = createYoga({
    schema: createSchema({ typeDefs, resolvers }),
    context: () => ({ store, loaders: store.loaders() }),
    graphiql: false,
    landingPage: false,
    logging: 'error',
  })
  server.on('request', yoga)
  return () => store.close()
})
