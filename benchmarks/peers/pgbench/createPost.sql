\set rank random_zipfian(1, :users, 1.1) - 1
\set author (:rank * :users_step) % :users + 1
\set title random(1, 1000000000)
\startpipeline
insert into posts (author_id, title, slug, excerpt, body, status, published_at)
	values (:author, :title, :title, left(:body, 200), :body, 'PUBLISHED', now());
insert into tags (name) select unnest(:tags::text[]) on conflict do nothing;
insert into post_tags (post_id, tag_id) select currval('posts_id_seq'), id from tags where name = any(:tags);
select t1.id, t1.title, (select row(t2.id, t2.name) from users t2 where t2.id = t1.author_id) from posts t1 where t1.id = (select currval('posts_id_seq'));
\endpipeline
