create index posts_by_author on posts (author_id, id desc) where status = 'PUBLISHED';
create index posts_feed on posts (id desc) where status = 'PUBLISHED';
-- Without a list of what is to be added later, which every search has to read.
create index posts_search on posts using gin (search) with (fastupdate = off);
create index comments_by_post on comments (post_id, id);
create index comments_by_author on comments (author_id);
create index post_tags_by_tag on post_tags (tag_id);
create index follows_by_follower on follows (follower_id);

do $$
declare name text;
begin
	foreach name in array array['users', 'posts', 'comments', 'tags'] loop
		execute format('select setval(pg_get_serial_sequence(%L, ''id''), (select max(id) from %I))', name, name);
	end loop;
end $$;
