// Reads and writes rows: statements that Drizzle has prepared once, as its page on
// performance advises, and one DataLoader for each relation and request.
import DataLoader from 'dataloader'
import { and, asc, desc, eq, inArray, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { comments, posts, postTags, tags, users } from './tables.mjs'

const $ = (name) => sql.placeholder(name)
const anyOf = (column) => sql`${column} = any(${$('ids')}::bigint[])`
// The columns of a post without its body, which few queries want.
const { id, authorId, title, slug, excerpt, status, views, publishedAt } = posts
const post = { id, authorId, title, slug, excerpt, status, views, publishedAt }
const published = eq(posts.status, 'PUBLISHED')

// paged are the first rows that belong to each of many parents: raw SQL, because Drizzle's
// builder has no lateral join on unnest.
const paged = {
  posts: sql`select k.id as parent, p.id, p.author_id as "authorId", p.title, p.slug, p.excerpt, p.status, p.views,
      p.published_at as "publishedAt"
    from unnest(${$('ids')}::bigint[]) k(id) cross join lateral (select * from posts p
      where p.author_id = k.id and p.status = 'PUBLISHED' order by p.id desc limit ${$('first')}) p`,
  followers: sql`select k.id as parent, u.id, u.handle, u.name, u.email, u.bio, u.profile, u.created_at as "createdAt"
    from unnest(${$('ids')}::bigint[]) k(id) cross join lateral (select u.*, f.follower_id from follows f
      join users u on u.id = f.follower_id where f.followee_id = k.id order by f.follower_id limit ${$('first')}) u`,
  comments: sql`select k.id as parent, c.id, c.post_id as "postId", c.author_id as "authorId", c.body, c.created_at as "createdAt"
    from unnest(${$('ids')}::bigint[]) k(id) cross join lateral (select * from comments c
      where c.post_id = k.id order by c.id limit ${$('first')}) c`,
  followerCount: sql`select k.id as parent, (select count(*) from follows f where f.followee_id = k.id)::int as n
    from unnest(${$('ids')}::bigint[]) k(id)`,
  commentCount: sql`select k.id as parent, (select count(*) from comments c where c.post_id = k.id)::int as n
    from unnest(${$('ids')}::bigint[]) k(id)`,
}

function prepare(db) {
  const feed = (name, ...conditions) =>
    db.select(post).from(posts).where(and(published, ...conditions)).orderBy(desc(posts.id)).limit($('first')).prepare(name)
  return {
    totals: db
      .select({
        users: sql`coalesce((select max(id) from users), 0)::int`,
        posts: sql`coalesce((select max(id) from posts), 0)::int`,
        comments: sql`coalesce((select max(id) from comments), 0)::int`,
      })
      .from(sql`(select 1) one`)
      .prepare('totals'),
    user: db.select().from(users).where(eq(users.id, $('id'))).prepare('user'),
    post: db.select(post).from(posts).where(eq(posts.id, $('id'))).prepare('post'),
    feed: feed('feed'),
    feedBefore: feed('feed_before', sql`${posts.id} < ${$('before')}`),
    search: feed('search', sql`posts.search @@ plainto_tsquery('simple', ${$('text')})`),
    comments: db
      .select()
      .from(comments)
      .where(sql`${comments.id} > ${$('after')}`)
      .orderBy(asc(comments.id))
      .limit($('first'))
      .prepare('comments'),
    users: db.select().from(users).where(anyOf(users.id)).prepare('users'),
    posts: db.select(post).from(posts).where(anyOf(posts.id)).prepare('posts'),
    bodies: db.select({ id: posts.id, body: posts.body }).from(posts).where(anyOf(posts.id)).prepare('bodies'),
    tags: db
      .select({ parent: postTags.postId, id: tags.id, name: tags.name })
      .from(postTags)
      .innerJoin(tags, eq(tags.id, postTags.tagId))
      .where(anyOf(postTags.postId))
      .orderBy(postTags.postId, tags.id)
      .prepare('tags'),
    addComment: db
      .insert(comments)
      .values({ postId: $('postId'), authorId: $('authorId'), body: $('body') })
      .returning()
      .prepare('add_comment'),
  }
}

// raw prepares statements that Drizzle's builder cannot express.
function raw(db, pool) {
  const statements = {}
  for (const [name, text] of Object.entries(paged)) {
    const { sql: query, params } = db.dialect.sqlToQuery(text)
    statements[name] = async (values) =>
      (await pool.query({ name: `many_${name}`, text: query, values: params.map((p) => values[p.name]) })).rows
  }
  return statements
}

export function open(dsn, connections) {
  const pool = new pg.Pool({ connectionString: dsn, max: connections })
  const db = drizzle(pool)
  return new Store(pool, db, { ...prepare(db) }, raw(db, pool))
}

class Store {
  constructor(pool, db, statements, pages) {
    Object.assign(this, { pool, db, statements, pages })
  }

  close() {
    return this.pool.end()
  }

  async first(name, values) {
    return (await this.statements[name].execute(values))[0] ?? null
  }

  all(name, values) {
    return this.statements[name].execute(values)
  }

  createPost({ authorId, title, slug, body, tags: names }) {
    return this.db.transaction(async (tx) => {
      const [made] = await tx
        .insert(posts)
        .values({ authorId, title, slug, body, excerpt: sql`left(${body}, 200)`, status: 'PUBLISHED', publishedAt: sql`now()` })
        .returning(post)
      if (names.length > 0) {
        await tx.insert(tags).values(names.map((name) => ({ name }))).onConflictDoNothing()
        const known = await tx.select({ id: tags.id }).from(tags).where(inArray(tags.name, names))
        await tx.insert(postTags).values(known.map((tag) => ({ postId: made.id, tagId: tag.id })))
      }
      return made
    })
  }

  // loaders are those of one request.
  loaders() {
    const byId = (name, value = (row) => row) =>
      new DataLoader(async (ids) => {
        const found = new Map((await this.all(name, { ids })).map((row) => [row.id, value(row)]))
        return ids.map((id) => found.get(id) ?? new Error(`no ${name} ${id}`))
      })
    const count = (name) =>
      new DataLoader(async (ids) => {
        const found = new Map((await this.pages[name]({ ids })).map((row) => [row.parent, row.n]))
        return ids.map((id) => found.get(id))
      })
    const grouped = (rows, ids) => {
      const found = new Map(ids.map((id) => [id, []]))
      for (const row of rows) found.get(row.parent).push(row)
      return ids.map((id) => found.get(id))
    }
    // Requests differ in how many they want: one statement for each number, nearly always one.
    const pages = (name) =>
      new DataLoader(
        async (keys) => {
          const lists = new Map()
          const sizes = [...new Set(keys.map((key) => key.first))]
          await Promise.all(
            sizes.map(async (first) => {
              const ids = keys.filter((key) => key.first === first).map((key) => key.parent)
              grouped(await this.pages[name]({ ids, first }), ids).forEach((list, i) => lists.set(`${first} ${ids[i]}`, list))
            }),
          )
          return keys.map((key) => lists.get(`${key.first} ${key.parent}`))
        },
        { cacheKeyFn: (key) => `${key.first} ${key.parent}` },
      )
    return {
      user: byId('users'),
      post: byId('posts'),
      body: byId('bodies', (row) => row.body),
      tags: new DataLoader(async (ids) => grouped(await this.all('tags', { ids }), ids)),
      posts: pages('posts'),
      followers: pages('followers'),
      comments: pages('comments'),
      followerCount: count('followerCount'),
      commentCount: count('commentCount'),
    }
  }
}
