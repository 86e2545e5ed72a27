// Prints the payloads that graphql-js makes of an operation with parts of all kinds: in the
// current format and in that of 2022.
import { buildSchema, experimentalExecuteIncrementally, legacyExecuteIncrementally, parse } from 'graphql-17';

const schema = buildSchema(`
  directive @defer(if: Boolean! = true, label: String) on FRAGMENT_SPREAD | INLINE_FRAGMENT
  directive @stream(if: Boolean! = true, label: String, initialCount: Int = 0) on FIELD
  type Query { post: Post }
  type Post { id: ID comments: [String] tags: [String!] author: Author broken: String! half: Half }
  type Author { name: String address: Address }
  type Address { zip: String }
  type Half { good: String bad: String }
`);
const document = parse(`query {
  post {
    id
    comments @stream(initialCount: 1)
    tags @stream(label: "tags")
    ... @defer(label: "author") { author { name ... @defer(label: "address") { address { zip } } } }
    ... @defer(label: "broken") { broken }
    ... @defer { half { good bad } }
  }
}`);
const later = (make) => new Promise((resolve) => setTimeout(resolve, 10)).then(make);
const fails = (message) => () => { throw new Error(message); };
const rootValue = () => ({
  post: {
    id: 1,
    async *comments() { yield 'a'; yield later(() => 'b'); yield later(() => 'c'); },
    async *tags() { yield 'x'; await later(() => 0); throw new Error('no more tags'); },
    author: () => later(() => ({ name: 'Ada', address: () => later(() => ({ zip: '1' })) })),
    broken: () => later(fails('no broken')),
    half: () => later(() => ({ good: 'g', bad: fails('no bad') })),
  },
});

async function payloads(execute) {
  const result = await execute({ schema, document, rootValue: rootValue() });
  const list = [result.initialResult];
  for await (const payload of result.subsequentResults) list.push(payload);
  return list;
}

console.log(JSON.stringify({
  current: await payloads(experimentalExecuteIncrementally),
  of2022: await payloads(legacyExecuteIncrementally),
}));
