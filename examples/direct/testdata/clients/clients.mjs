// Asks a server with a client, and prints what it got as JSON.
//   node clients.mjs <client> <url>
const [, , name, url] = process.argv;

const query = `query User($id: ID!) { user(id: $id) { __typename id name posts(first: 2) { __typename id title author { __typename id } } } }`;
const mutation = `mutation Add($id: ID!, $body: String!) { addComment(input: { postId: $id, authorId: 1, body: $body }) { __typename id body author { __typename id } } }`;
const variables = { id: "1" };
const added = { id: "2", body: `from ${name}: é "\\ <&>` };

const clients = {
  async apollo() {
    const { ApolloClient, InMemoryCache, HttpLink, gql } = await import("@apollo/client/core/index.js");
    const client = new ApolloClient({ link: new HttpLink({ uri: url }), cache: new InMemoryCache() });
    const read = await client.query({ query: gql(query), variables });
    const wrote = await client.mutate({ mutation: gql(mutation), variables: added });
    return [read.data, wrote.data];
  },
  async urql() {
    const { Client, fetchExchange } = await import("@urql/core");
    const client = new Client({ url, exchanges: [fetchExchange], preferGetMethod: true }); // Queries by GET.
    const read = await client.query(query, variables).toPromise();
    const wrote = await client.mutation(mutation, added).toPromise();
    if (read.error || wrote.error) throw read.error ?? wrote.error;
    return [read.data, wrote.data];
  },
  async "graphql-request"() {
    const { GraphQLClient } = await import("graphql-request");
    const client = new GraphQLClient(url);
    return [await client.request(query, variables), await client.request(mutation, added)];
  },
  async audit() {
    const { serverAudits } = await import("graphql-http");
    const results = [];
    for (const audit of serverAudits({ url, fetchFn: globalThis.fetch })) {
      const { status, reason } = await audit.fn();
      results.push({ name: audit.name, status, reason });
    }
    return results;
  },
};

console.log(JSON.stringify(await clients[name]()));
