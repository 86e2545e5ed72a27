// The blog's resolvers.
import { GraphQLScalarType } from 'graphql'
import { createGraphQLError } from 'graphql-yoga'

const maxPage = 100 // of a list inside a request
const maxExport = 100_000 // of Query.comments

function within(first, limit) {
  if (first < 0 || first > limit) throw createGraphQLError(`first must be between 0 and ${limit}, not ${first}`)
}

function filled(name, text) {
  if (text.trim() === '') throw createGraphQLError(`${name} must not be empty`)
}

const slug = (title) => title.toLowerCase().match(/[\p{L}\p{Nd}]+/gu)?.join('-') ?? ''

// page is the first rows that belong to an object.
const page = (name) => (parent, { first }, { loaders }) => {
  within(first, maxPage)
  return loaders[name].load({ parent: parent.id, first })
}

const ofParent = (name) => (parent, _, { loaders }) => loaders[name].load(parent.id)
const author = (row, _, { loaders }) => loaders.user.load(row.authorId)

export const resolvers = {
  Time: new GraphQLScalarType({ name: 'Time', serialize: (value) => value.toISOString() }),
  JSON: new GraphQLScalarType({ name: 'JSON', serialize: (value) => value }),
  Query: {
    totals: (_, __, { store }) => store.first('totals'),
    user: (_, { id }, { store }) => store.first('user', { id }),
    post: (_, { id }, { store }) => store.first('post', { id }),
    feed(_, { first, before }, { store }) {
      within(first, maxPage)
      return before == null ? store.all('feed', { first }) : store.all('feedBefore', { first, before })
    },
    search(_, { text, first }, { store }) {
      within(first, maxPage)
      return store.all('search', { text, first })
    },
    comments(_, { first, after }, { store }) {
      within(first, maxExport)
      return store.all('comments', { first, after: after ?? 0 })
    },
  },
  Mutation: {
    createPost(_, { input }, { store }) {
      filled('title', input.title)
      return store.createPost({ ...input, slug: slug(input.title) })
    },
    addComment(_, { input }, { store }) {
      filled('body', input.body)
      return store.first('addComment', input)
    },
  },
  User: {
    posts: page('posts'),
    followers: page('followers'),
    followerCount: ofParent('followerCount'),
  },
  Post: {
    body: ofParent('body'),
    author,
    tags: ofParent('tags'),
    comments: page('comments'),
    commentCount: ofParent('commentCount'),
  },
  Comment: {
    author,
    post: (comment, _, { loaders }) => loaders.post.load(comment.postId),
  },
}
