\set rank random_zipfian(1, :posts, 1.1) - 1
\set id (:rank * :posts_step) % :posts + 1
select t1.id, t1.title, t1.body, (select row(t2.id, t2.name) from users t2 where t2.id = t1.author_id), array(select row(t3.name) from post_tags lt3 join tags t3 on t3.id = lt3.tag_id where lt3.post_id = t1.id order by t3.id), (select count(*) from comments c where c.post_id = t1.id), array(select row(t4.id, t4.body, (select row(t5.id, t5.name) from users t5 where t5.id = t4.author_id)) from comments t4 where t4.post_id = t1.id order by t4.id limit 10) from posts t1 where t1.id = :id;
