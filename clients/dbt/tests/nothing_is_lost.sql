-- gold has as many events as what was made of it: a row is a failure
select a.events, b.events as of_gold
from (select sum(events) as events from {{ ref('events_by_hour') }}) a
cross join (select sum(event_count) as events from {{ source('gold', 'real_time_metrics') }}) b
where a.events <> b.events
