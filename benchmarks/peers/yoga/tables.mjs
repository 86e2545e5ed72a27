// The blog's tables, as Drizzle declares them.
import { customType, integer, jsonb, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'

// IDs are strings in GraphQL, and node-postgres gives bigints so: Drizzle's own type would
// make numbers of them.
const id = customType({ dataType: () => 'bigint' })
const time = (name) => timestamp(name, { withTimezone: true, mode: 'date' })

export const users = pgTable('users', {
  id: id('id').primaryKey(),
  handle: text('handle').notNull(),
  name: text('name').notNull(),
  email: text('email').notNull(),
  bio: text('bio').notNull(),
  profile: jsonb('profile').notNull(),
  createdAt: time('created_at').notNull().defaultNow(),
})

export const posts = pgTable('posts', {
  id: id('id').primaryKey(),
  authorId: id('author_id').notNull(),
  title: text('title').notNull(),
  slug: text('slug').notNull(),
  excerpt: text('excerpt').notNull(),
  body: text('body').notNull(),
  status: text('status').notNull(),
  views: integer('views').notNull().default(0),
  publishedAt: time('published_at'),
})

export const comments = pgTable('comments', {
  id: id('id').primaryKey(),
  postId: id('post_id').notNull(),
  authorId: id('author_id').notNull(),
  body: text('body').notNull(),
  createdAt: time('created_at').notNull().defaultNow(),
})

export const tags = pgTable('tags', {
  id: id('id').primaryKey(),
  name: text('name').notNull(),
})

export const postTags = pgTable(
  'post_tags',
  { postId: id('post_id').notNull(), tagId: id('tag_id').notNull() },
  (t) => [primaryKey({ columns: [t.postId, t.tagId] })],
)
