\set rank random_zipfian(1, :users, 1.1) - 1
\set author (:rank * :users_step) % :users + 1
\set post random(1, :posts)
\startpipeline
insert into comments (post_id, author_id, body) values (:post, :author, :text);
select t1.id, t1.body, (select row(t2.id, t2.name) from users t2 where t2.id = t1.author_id) from comments t1 where t1.id = (select currval('comments_id_seq'));
\endpipeline
