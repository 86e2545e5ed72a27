// Asks the server at a URL for a result in parts with a client that people use, and
// prints what the client has at the end, and how many results came before.
const [name, url] = process.argv.slice(2);

const deferred = `query {
  post {
    id
    comments
    ... @defer(label: "author") { author { name ... @defer(label: "address") { address { zip } } } }
  }
}`;
const streamed = deferred.replace('comments', 'comments @stream(initialCount: 1)');

// merge applies a payload in the current format, for clients that leave that to
// their users.
const pending = new Map();
function merge(result, payload) {
  if (payload.data !== undefined) result.data = payload.data;
  const at = (path) => path.reduce((value, key) => value[key], result.data);
  for (const part of payload.pending ?? []) pending.set(part.id, part);
  for (const part of payload.incremental ?? []) {
    const target = at(pending.get(part.id).path);
    if (part.items) target.push(...part.items);
    if (part.data) Object.assign(target, part.data);
  }
  result.hasNext = payload.hasNext;
}

const clients = {
  async meros() {
    const { meros } = await import('meros/browser');
    const response = await fetch(url, {
      method: 'POST', body: JSON.stringify({ query: streamed }),
      headers: { 'content-type': 'application/json', accept: 'multipart/mixed;incrementalSpec=v0.2' },
    });
    const result = {};
    let count = 0;
    for await (const part of await meros(response)) {
      if (!part.json) throw new Error(`a part that is not JSON: ${part.body}`);
      merge(result, part.body);
      count++;
    }
    return { result, count };
  },

  async 'graphql-sse'() {
    const { createClient } = await import('graphql-sse');
    const client = createClient({ url, retryAttempts: 0 });
    const result = {};
    let count = 0;
    for await (const payload of client.iterate({ query: streamed })) {
      merge(result, payload);
      count++;
    }
    client.dispose();
    return { result, count };
  },

  async apollo() {
    const { ApolloClient, InMemoryCache, HttpLink, gql } = await import('@apollo/client/core/index.js');
    const client = new ApolloClient({ link: new HttpLink({ uri: url }), cache: new InMemoryCache() });
    return new Promise((resolve, reject) => {
      let last, count = 0;
      client.watchQuery({ query: gql(deferred), fetchPolicy: 'no-cache' }).subscribe({
        next(result) {
          last = result;
          count++;
          if (result.networkStatus === 7 && !result.loading && result.data.post.author?.address) resolve({ result: { data: last.data, hasNext: false }, count });
        },
        error: reject,
      });
    });
  },

  async urql() {
    const { Client, fetchExchange, gql } = await import('@urql/core');
    const client = new Client({ url, exchanges: [fetchExchange], preferGetMethod: false });
    return new Promise((resolve, reject) => {
      let count = 0;
      client.query(gql(streamed), {}).subscribe((result) => {
        if (result.error) return reject(result.error);
        count++;
        if (!result.hasNext) resolve({ result: { data: result.data, hasNext: false }, count });
      });
    });
  },
};

const { result, count } = await clients[name]();
console.log(JSON.stringify({ data: result.data, hasNext: result.hasNext, count }));
process.exit(0);
