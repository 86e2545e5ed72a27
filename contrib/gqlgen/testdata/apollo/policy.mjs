// Answers, for schemas and queries on standard input, with the Cache-Control headers that
// Apollo Server sets. Every field has a value, every list has one element for each type
// that it may have.
import { ApolloServer } from "@apollo/server";
import { GraphQLList, GraphQLNonNull, getNamedType, isAbstractType, isListType, isObjectType, isLeafType, buildSchema } from "graphql";

const unwrap = (type) => (type instanceof GraphQLNonNull ? type.ofType : type);

function value(schema, type) {
  type = unwrap(type);
  if (isListType(type)) {
    const of = unwrap(type.ofType);
    if (isAbstractType(of)) return schema.getPossibleTypes(of).map((t) => ({ __typename: t.name }));
    return [value(schema, of)];
  }
  if (isLeafType(type)) return "1";
  if (isAbstractType(type)) return { __typename: schema.getPossibleTypes(type)[0].name };
  return { __typename: type.name };
}

function resolvable(sdl) {
  const schema = buildSchema(sdl);
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith("__")) continue;
    for (const field of Object.values(type.getFields())) field.resolve = () => value(schema, field.type);
  }
  return schema;
}

let input = "";
for await (const chunk of process.stdin) input += chunk;
const answers = [];
for (const { schema, queries } of JSON.parse(input)) {
  const server = new ApolloServer({ schema: resolvable(schema) });
  await server.start();
  for (const query of queries) {
    const headers = new Map([["content-type", "application/json"]]);
    const { HeaderMap } = await import("@apollo/server");
    const response = await server.executeHTTPGraphQLRequest({
      httpGraphQLRequest: { method: "POST", headers: new HeaderMap(headers), search: "", body: { query, variables: { yes: true, no: false } } },
      context: async () => ({}),
    });
    let body = response.body.kind === "complete" ? JSON.parse(response.body.string) : {};
    answers.push({ header: response.headers.get("cache-control"), errors: (body.errors ?? []).map((e) => e.message) });
  }
  await server.stop();
}
console.log(JSON.stringify(answers));
