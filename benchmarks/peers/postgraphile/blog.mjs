// The blog's schema as an extension of PostGraphile's own: types and columns come from the
// tables, and plans say what PostGraphile cannot know, such as which posts are published.
// PostGraphile makes one statement of each query's plans where it can.
import { constant, lambda } from 'postgraphile/grafast'
import { loadOneWithPgClient, pgInsertSingle, sideEffectWithPgClientTransaction, TYPES } from 'postgraphile/@dataplan/pg'
import { extendSchema, gql } from 'postgraphile/utils'

// plainIds names the column id so: PostGraphile makes rowId of it, for Relay's sake.
export const plainIds = {
  name: 'PlainIdsPlugin',
  version: '0.0.0',
  inflection: {
    replace: {
      _attributeName: (previous, options, details) => previous({ ...details, skipRowId: true }),
    },
  },
}

const typeDefs = gql`
  type Totals {
    users: Int!
    posts: Int!
    comments: Int!
  }
  input NewPost {
    authorId: ID!
    title: String!
    body: String!
    tags: [String!]! = []
  }
  input NewComment {
    postId: ID!
    authorId: ID!
    body: String!
  }
  extend type Query {
    totals: Totals!
    user(id: ID!): User
    post(id: ID!): Post
    feed(first: Int! = 20, before: ID): [Post!]!
    search(text: String!, first: Int! = 20): [Post!]!
    comments(first: Int! = 100, after: ID): [Comment!]!
  }
  extend type Mutation {
    createPost(input: NewPost!): Post!
    addComment(input: NewComment!): Comment!
  }
  extend type User {
    posts(first: Int! = 10): [Post!]!
    followers(first: Int! = 10): [User!]!
    followerCount: Int!
  }
  extend type Post {
    author: User!
    tags: [Tag!]!
    comments(first: Int! = 10): [Comment!]!
    commentCount: Int!
  }
  extend type Comment {
    author: User!
    post: Post!
  }
`

const maxPage = 100 // of a list inside a request
const maxExport = 100_000 // of Query.comments

// within refuses a page that is too large.
const within = ($first, limit) =>
  lambda($first, (first) => {
    if (first < 0 || first > limit) throw new Error(`first must be between 0 and ${limit}, not ${first}`)
    return first
  })

const filled = (name, text) => {
  if (text.trim() === '') throw new Error(`${name} must not be empty`)
}

const slug = (title) => title.toLowerCase().match(/[\p{L}\p{Nd}]+/gu)?.join('-') ?? ''

// readTotals counts rows by their highest ids: nothing is ever deleted.
async function readTotals(client, keys) {
  const { rows } = await client.query({
    text: `select coalesce((select max(id) from users), 0)::int users, coalesce((select max(id) from posts), 0)::int posts,
      coalesce((select max(id) from comments), 0)::int comments`,
  })
  return keys.map(() => rows[0])
}

// insertPost runs in a transaction, and returns the post's id.
async function insertPost(client, { authorId, title, body, tags }) {
  filled('title', title)
  const made = await client.query({
    text: `insert into posts (author_id, title, slug, excerpt, body, status, published_at)
      values ($1, $2, $3, left($4, 200), $4, 'PUBLISHED', now()) returning id`,
    values: [authorId, title, slug(title), body],
  })
  const [{ id }] = made.rows
  if (tags.length > 0) {
    await client.query({ text: 'insert into tags (name) select unnest($1::text[]) on conflict do nothing', values: [tags] })
    await client.query({
      text: 'insert into post_tags (post_id, tag_id) select $1, id from tags where name = any($2)',
      values: [id, tags],
    })
  }
  return id
}

export const blog = extendSchema((build) => {
  const { sql } = build
  const { users, posts, comments, tags } = build.pgResources
  const { executor } = posts

  const newest = ($posts, $first) => {
    $posts.where(sql`${$posts}.status = 'PUBLISHED'`)
    $posts.orderBy({ attribute: 'id', direction: 'DESC' })
    $posts.setOrderIsUnique()
    $posts.setFirst(within($first, maxPage))
    return $posts
  }
  const oldest = ($rows, $first, limit) => {
    $rows.orderBy({ attribute: 'id', direction: 'ASC' })
    $rows.setOrderIsUnique()
    $rows.setFirst(within($first, limit))
    return $rows
  }
  const author = ($row) => users.get({ id: $row.get('author_id') })

  return {
    typeDefs,
    objects: {
      Query: {
        plans: {
          totals: () => loadOneWithPgClient(executor, constant('totals'), readTotals),
          user: (_, { $id }) => users.get({ id: $id }),
          post: (_, { $id }) => posts.get({ id: $id }),
          feed(_, { $first, $before }) {
            const $posts = posts.find()
            const before = $posts.placeholder($before, TYPES.bigint)
            $posts.where(sql`(${before} is null or ${$posts}.id < ${before})`)
            return newest($posts, $first)
          },
          search(_, { $text, $first }) {
            const $posts = posts.find()
            $posts.where(sql`${$posts}.search @@ plainto_tsquery('simple', ${$posts.placeholder($text, TYPES.text)})`)
            return newest($posts, $first)
          },
          comments(_, { $first, $after }) {
            const $comments = comments.find()
            $comments.where(sql`${$comments}.id > coalesce(${$comments.placeholder($after, TYPES.bigint)}, 0)`)
            return oldest($comments, $first, maxExport)
          },
        },
      },
      Mutation: {
        plans: {
          createPost(_, { $input }) {
            const $id = sideEffectWithPgClientTransaction(executor, $input, insertPost)
            return posts.get({ id: $id })
          },
          addComment(_, { $input }) {
            const $body = lambda($input.get('body'), (body) => (filled('body', body), body))
            return pgInsertSingle(comments, {
              post_id: $input.get('postId'),
              author_id: $input.get('authorId'),
              body: $body,
            })
          },
        },
      },
      User: {
        plans: {
          posts: ($user, { $first }) => newest(posts.find({ author_id: $user.get('id') }), $first),
          followers($user, { $first }) {
            const $users = users.find()
            const of = $users.placeholder($user.get('id'))
            $users.where(sql`${$users}.id in (select f.follower_id from follows f where f.followee_id = ${of})`)
            return oldest($users, $first, maxPage)
          },
          followerCount: ($user) =>
            $user.select(sql`(select count(*) from follows f where f.followee_id = ${$user}.id)::int`, TYPES.int, true),
        },
      },
      Post: {
        plans: {
          author,
          tags($post) {
            const $tags = tags.find()
            const of = $tags.placeholder($post.get('id'))
            $tags.where(sql`${$tags}.id in (select l.tag_id from post_tags l where l.post_id = ${of})`)
            $tags.orderBy({ attribute: 'id', direction: 'ASC' })
            return $tags
          },
          comments: ($post, { $first }) => oldest(comments.find({ post_id: $post.get('id') }), $first, maxPage),
          commentCount: ($post) =>
            $post.select(sql`(select count(*) from comments c where c.post_id = ${$post}.id)::int`, TYPES.int, true),
        },
      },
      Comment: {
        plans: {
          author,
          post: ($comment) => posts.get({ id: $comment.get('post_id') }),
        },
      },
    },
  }
})
