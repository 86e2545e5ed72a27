\set rank (random_zipfian(1, :posts, 1.1) - 1) % greatest(:posts / 40, 1)
\set before :posts + 1 - 20 * :rank
select t1.id, t1.title, t1.excerpt, (select row(t2.id, t2.name) from users t2 where t2.id = t1.author_id), (select count(*) from comments c where c.post_id = t1.id), array(select row(t3.id, t3.body, (select row(t4.id, t4.name) from users t4 where t4.id = t3.author_id)) from comments t3 where t3.post_id = t1.id order by t3.id limit 3) from posts t1 where t1.status = 'PUBLISHED' and t1.id < :before order by t1.id desc limit 20;
