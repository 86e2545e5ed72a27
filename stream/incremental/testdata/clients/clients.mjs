// Asks the server at a URL for a result in parts with a client that people use, and
// prints what the client has at the end, and how many results came before. The server
// sends a part when the client has seen the one before.
const [name, url] = process.argv.slice(2);

const deferred = `query Q {
  post {
    id
    comments
    ... @defer(label: "Q$defer$author") { author { name ... @defer(label: "Q$defer$address") { address { zip } } } }
  }
}`;
const streamed = deferred.replace('comments', 'comments @stream(initialCount: 1)');

// seen tells the server that the client shows something new.
let count = 0, last;
function seen(data) {
  const text = JSON.stringify(data);
  if (!data?.post || text === last) return;
  last = text;
  count++;
  fetch(`${url}/seen`, { method: 'POST' });
}

// merger applies payloads, for clients that leave that to their users: in the current
// format, or in that of 2022.
function merger() {
  const pending = new Map();
  const result = {};
  return (payload) => {
    if (payload.data !== undefined) result.data = payload.data;
    for (const part of payload.pending ?? []) pending.set(part.id, part);
    for (const part of payload.incremental ?? []) {
      let path = pending.get(part.id)?.path ?? part.path;
      if (part.items && !part.id) path = path.slice(0, -1);
      const target = path.reduce((value, key) => value[key], result.data);
      if (part.items) target.push(...part.items);
      if (part.data) Object.assign(target, part.data);
    }
    result.hasNext = payload.hasNext;
    seen(result.data);
    return result;
  };
}

const post = (query, accept) => ({
  method: 'POST', body: JSON.stringify({ query }), headers: { 'content-type': 'application/json', accept },
});
const current = 'multipart/mixed;incrementalSpec=v0.2';
const of2022 = 'multipart/mixed;deferSpec=20220824, application/json';

async function readWithMeros(parts) {
  const merge = merger();
  let result;
  for await (const part of parts) {
    if (!part.json) throw new Error(`a part that is not JSON: ${part.body}`);
    result = merge(part.body);
  }
  return result;
}

async function fetchMultipart(options, next) {
  const { default: { default: fetchMultipart } } = await import('fetch-multipart-graphql');
  await new Promise((resolve, reject) => {
    fetchMultipart(url, { ...options, onNext: (parts) => parts.forEach(next), onComplete: resolve, onError: reject });
  });
}

async function readWithFetchMultipart(accept) {
  const merge = merger();
  let result;
  await fetchMultipart(post(streamed, accept), (part) => { result = merge(part); });
  return result;
}

async function watchWithApollo({ ApolloClient, InMemoryCache, HttpLink, gql }, options) {
  const client = new ApolloClient({ link: new HttpLink({ uri: url }), cache: new InMemoryCache(), ...options });
  return new Promise((resolve, reject) => {
    client.watchQuery({ query: gql(options.query), fetchPolicy: 'no-cache' }).subscribe({
      next(result) {
        if (result.error) reject(result.error);
        seen(result.data);
        // Version 3 does not tell whether more comes.
        if (result.networkStatus === 7 && result.data.post.author?.address) resolve({ data: result.data, hasNext: false });
      },
      error: reject,
    });
  });
}

// relay executes a query whose artifact is written by hand. Its store wants the parts of a
// payload one by one, so the network layer takes payloads apart.
async function relay(send) {
  const { default: runtime } = await import('relay-runtime');
  const { Environment, Network, Observable, RecordSource, Store, createOperationDescriptor } = runtime;
  const scalar = (name) => ({ alias: null, args: null, kind: 'ScalarField', name, storageKey: null });
  const object = (name, concreteType, selections) =>
    ({ alias: null, args: null, concreteType, kind: 'LinkedField', name, plural: false, selections, storageKey: null });
  const defer = (label, selections) => ({ kind: 'Defer', if: null, label: `Q$defer$${label}`, selections });
  const selections = [object('post', 'Post', [scalar('id'), scalar('comments'), defer('author', [
    object('author', 'Author', [scalar('name'), defer('address', [object('address', 'Address', [scalar('zip')])])]),
  ])])];
  const request = {
    kind: 'Request',
    fragment: { argumentDefinitions: [], kind: 'Fragment', metadata: null, name: 'Q', selections, type: 'Query', abstractKey: null },
    operation: { argumentDefinitions: [], kind: 'Operation', name: 'Q', selections },
    params: { cacheID: 'Q', id: null, metadata: {}, name: 'Q', operationKind: 'query', text: deferred },
  };
  const network = Network.create((params) => Observable.create((sink) => {
    const next = (payload) => {
      const parts = payload.incremental ?? [{ data: payload.data, errors: payload.errors }];
      parts.forEach((part, i) => sink.next({ ...part, extensions: { is_final: !payload.hasNext && i === parts.length - 1 } }));
    };
    send(post(params.text, of2022), next).then(() => sink.complete(), sink.error);
  }));
  const environment = new Environment({ network, store: new Store(new RecordSource()) });
  const operation = createOperationDescriptor(request, {});
  environment.retain(operation);
  const look = () => environment.lookup(operation.fragment);
  return new Promise((resolve, reject) => {
    environment.execute({ operation }).subscribe({
      next: () => seen(look().data),
      complete: () => resolve({ data: look().data, hasNext: look().isMissingData }),
      error: reject,
    });
  });
}

const clients = {
  async 'meros/browser'() {
    const { meros } = await import('meros/browser');
    return readWithMeros(await meros(await fetch(url, post(streamed, current))));
  },

  async 'meros/node'() {
    const { meros } = await import('meros/node');
    const { request } = await import('node:http');
    const { body, ...options } = post(streamed, 'multipart/mixed');
    const response = await new Promise((resolve, reject) => request(url, options, resolve).on('error', reject).end(body));
    return readWithMeros(await meros(response));
  },

  'fetch-multipart-graphql': () => readWithFetchMultipart(current),
  'fetch-multipart-graphql, 2022': () => readWithFetchMultipart(of2022),

  'relay-runtime with fetch-multipart-graphql': () => relay(fetchMultipart),

  'relay-runtime with meros': () => relay(async (options, next) => {
    const { meros } = await import('meros/browser');
    for await (const part of await meros(await fetch(url, options))) next(part.body);
  }),

  async 'graphql-sse'() {
    const { createClient } = await import('graphql-sse');
    const client = createClient({ url, retryAttempts: 0 });
    const merge = merger();
    let result;
    for await (const payload of client.iterate({ query: streamed })) result = merge(payload);
    client.dispose();
    return result;
  },

  async '@apollo/client 3'() {
    return watchWithApollo(await import('apollo-client-3/core/index.js'), { query: deferred });
  },

  async '@apollo/client 4, 2022'() {
    const { Defer20220824Handler } = await import('apollo-client-4/incremental');
    return watchWithApollo(await import('apollo-client-4'), { query: deferred, incrementalHandler: new Defer20220824Handler() });
  },

  async '@apollo/client 4, v0.2'() {
    const { GraphQL17Alpha9Handler } = await import('apollo-client-4/incremental');
    return watchWithApollo(await import('apollo-client-4'), { query: streamed, incrementalHandler: new GraphQL17Alpha9Handler() });
  },

  async '@urql/core'() {
    const { Client, fetchExchange, gql } = await import('@urql/core');
    const client = new Client({ url, exchanges: [fetchExchange], preferGetMethod: false });
    return new Promise((resolve, reject) => {
      client.query(gql(streamed), {}).subscribe((result) => {
        if (result.error) return reject(result.error);
        seen(result.data);
        if (!result.hasNext) resolve({ data: result.data, hasNext: false });
      });
    });
  },
};

if (name === 'names') {
  console.log(JSON.stringify(Object.keys(clients)));
} else {
  const result = await clients[name]();
  console.log(JSON.stringify({ data: result.data, hasNext: result.hasNext, count }));
}
process.exit(0);
