\set rank random_zipfian(1, :users, 1.1) - 1
\set id (:rank * :users_step) % :users + 1
select t1.id, t1.name, t1.bio, t1.profile, (select count(*) from follows f where f.followee_id = t1.id) from users t1 where t1.id = :id;
