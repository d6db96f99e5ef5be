-- a view: always as fresh as gold
select window_start, event_type, sum(event_count)::bigint as events, sum(avg_value * event_count) / sum(event_count) as mean_value
from {{ source('gold', 'real_time_metrics') }}
group by window_start, event_type
