\set rank random_zipfian(1, :users, 1.1) - 1
\set id (:rank * :users_step) % :users + 1
select t1.id, t1.name, array(select row(t2.id, t2.title, t2.excerpt, (select row(t3.id, t3.name) from users t3 where t3.id = t2.author_id), array(select row(t4.name) from post_tags lt4 join tags t4 on t4.id = lt4.tag_id where lt4.post_id = t2.id order by t4.id)) from posts t2 where t2.author_id = t1.id and t2.status = 'PUBLISHED' order by t2.id desc limit 10) from users t1 where t1.id = :id;
