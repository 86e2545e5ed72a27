\set after random(0, greatest(:comments - 1000, 0))
select t1.id, t1.body, t1.created_at from comments t1 where t1.id > :after order by t1.id limit 1000;
